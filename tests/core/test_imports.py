"""The house: what `import minidyn` brings, which way imports run, and that names are not used twice."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import minidyn as md

ROOT = Path(md.__file__).parent
# Each layer knows only those above it; CONTRIBUTING lists them in this order.
LAYERS = (
    (
        "_checks",
        "_command_line",
        "_digits",
        "_html",
        "_palette",
        "_progress",
        "_provenance",
        "_renamed",
        "_still",
        "_typeset",
        "_version",
        "storage",
    ),
    ("activations", "labels", "optimizers", "task", "oscillation", "parameters"),
    ("losses", "mlp", "_fingerprint"),
    ("model",),
    ("derivatives", "eigenvalues"),
    ("curvature", "tangent_kernel", "lines", "valley"),
    ("training",),
    ("ensembles",),
    ("sweeps",),
    ("orbits",),
    ("picture_grid",),
    ("explorer",),
    ("plots", "widgets", "lab"),
    ("forgetting",),
    ("instruments",),
    ("torch",),
    ("experiments", "coursework"),
    ("page",),
    ("__main__",),
)
HEAVY = ("matplotlib", "ipywidgets", "anywidget", "IPython", "torch", "numba", "dask", "jax")


def python(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_importing_minidyn_brings_nothing_heavy():
    script = f"import sys, minidyn; print([name for name in {HEAVY} if name in sys.modules])"
    assert python(script).split("\n")[-2] == "[]"


def test_minidyn_works_without_its_optional_dependencies(tmp_path):
    script = f"""
import sys
for name in {HEAVY}:
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
import minidyn as md
net, task, loss = md.MLP(2, 5, 3), md.spiral(5), md.CrossEntropy(md.Oscillation(5, 10))
measure = {{"hessian_max": 5, "hessian_min": 5, "hessian_spectrum": 5, "ntk_max": 5, "params": 5}}
run = md.train(net, net.init(0), task, loss, learning_rate=0.1, steps=10, measure=measure, validation=task)
run.save({str(tmp_path / "run.nc")!r})
print(md.load_run({str(tmp_path / "run.nc")!r}).resume(5).history.sizes["step"])
"""
    assert python(script).split() == ["16"]


def modules():
    """Dotted name -> path of every module of the package."""
    paths = {}
    for path in sorted(ROOT.rglob("*.py")):
        if "node_modules" not in path.parts:
            parts = ("minidyn", *path.relative_to(ROOT).with_suffix("").parts)
            paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return paths


MODULES = modules()


def imported(name):
    """The modules of minidyn that a module imports, wherever in its code."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = members & MODULES.keys()
            names |= submodules
            if members - submodules:
                names.add(node.module)
    return names & MODULES.keys()


def test_the_parser_of_imports_sees_them():
    assert imported("minidyn.tangent_kernel") == {
        "minidyn._checks", "minidyn.derivatives", "minidyn.eigenvalues", "minidyn.model",
    }  # fmt: skip
    assert "minidyn.training" in imported("minidyn")


def test_imports_have_no_circle_even_for_the_sake_of_types():
    graph = {name: imported(name) for name in MODULES}
    list(TopologicalSorter(graph).static_order())  # raises on a cycle


def layer_of(name):
    return next((n for n, layer in enumerate(LAYERS) if name.split(".")[1] in layer), None)


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"minidyn"}))
def test_every_module_stands_in_a_layer_and_knows_none_below(name):
    assert layer_of(name) is not None, "name the layer of this module in LAYERS and in CONTRIBUTING"
    room = name.split(".")[1]
    below = [
        other
        for other in imported(name) - {"minidyn"}
        if other.split(".")[1] != room and layer_of(other) > layer_of(name)
    ]
    assert below == []


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"minidyn"}))
def test_only_what_is_built_on_the_library_imports_it_as_a_whole(name):
    assert "minidyn" not in imported(name) or layer_of(name) >= layer_of("minidyn.plots")


def test_no_public_name_is_that_of_a_module():
    rooms = {part for name in MODULES for part in name.split(".")}
    assert sorted(set(md.__all__) & rooms) == []


@pytest.mark.parametrize("name", sorted(set(md.__all__) - {"Run", "Spectrum"}))  # those two are only returned
def test_public_names_have_examples(name):
    assert ">>>" in inspect.getdoc(getattr(md, name))
