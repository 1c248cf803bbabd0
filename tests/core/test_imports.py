"""The house: what `import minidyn` brings, which way imports run, and that names are not used twice."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

import minidyn as md

ROOT = Path(md.__file__).parent
CORE = (
    "_checks",
    "_progress",
    "task",
    "oscillation",
    "losses",
    "mlp",
    "model",
    "curvature",
    "kernel",
    "measures",
    "record",
    "engine",
    "compiled",
    "loop",
    "descent",
    "storage",
)
ROOMS = ("plots", "widgets", "torch", "playground", "experiments", "forgetting")
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
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        if "node_modules" not in path.parts:
            parts = ("minidyn", *path.relative_to(ROOT).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(name):
    """The modules of minidyn that a module imports, wherever in its code, but for the sake of types alone."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    for node in ast.walk(tree):  # `if TYPE_CHECKING:` never runs
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = members & MODULES.keys()
            found |= submodules
            if members - submodules:
                found.add(node.module)
    return found & MODULES.keys()


def test_the_parser_of_imports_sees_them():
    assert imported("minidyn.kernel") == {"minidyn._checks", "minidyn.model", "minidyn.curvature"}
    assert "minidyn.measures" not in imported("minidyn.record")  # for types alone
    assert "minidyn.descent" in imported("minidyn")


def test_imports_run_one_way():
    list(TopologicalSorter({name: imported(name) for name in MODULES}).static_order())  # raises on a cycle


@pytest.mark.parametrize("name", CORE)
def test_the_core_knows_none_of_the_rooms_built_on_it(name):
    reached, new = set(), {f"minidyn.{name}"}
    while new:
        reached |= new
        new = {other for module in new for other in imported(module)} - reached
    assert [module for module in reached if module == "minidyn" or module.split(".")[1] in ROOMS] == []


def test_no_public_name_is_that_of_a_module():
    rooms = {part for name in MODULES for part in name.split(".")}
    assert sorted(set(md.__all__) & rooms) == []
    for name in [name for name in CORE if name != "compiled" or find_spec("numba")]:
        module = importlib.import_module(f"minidyn.{name}")
        own = {n for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__}
        assert sorted({n for n in own if not n.startswith("_")} & rooms) == [], name


@pytest.mark.parametrize("name", sorted(set(md.__all__) - {"Run", "Spectrum"}))  # those two are only returned
def test_public_names_have_examples(name):
    assert ">>>" in inspect.getdoc(getattr(md, name))
