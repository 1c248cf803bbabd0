"""What all command lines have in common: they say their version, and end quietly if nobody reads them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

import minidyn as md
from minidyn._command_line import BROKEN_PIPE

NEEDS_TORCH = pytest.mark.skipif(find_spec("torch") is None, reason="needs torch")
MODULES = [
    "minidyn",
    "minidyn.experiments.cli",
    "minidyn.coursework",
    pytest.param("minidyn.torch", marks=NEEDS_TORCH),
    pytest.param("minidyn.torch.benchmark", marks=NEEDS_TORCH),
]


def run_without_reader(module, *arguments):
    """The exit status and the error output of a command whose output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdout=writer, stderr=subprocess.PIPE, env=environment
    )
    os.close(writer)
    return command.communicate()[1], command.returncode


@pytest.mark.parametrize("module", MODULES)
def test_the_version_is_that_of_the_package(module):
    said = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True)
    assert (said.stdout, said.stderr, said.returncode) == (f"minidyn {md.__version__}\n", "", 0)


@pytest.mark.parametrize("module", MODULES)
def test_a_reader_that_goes_away_ends_the_output_quietly(module):
    assert run_without_reader(module, "--help") == (b"", BROKEN_PIPE)


def test_so_does_one_that_goes_away_from_a_list():
    assert run_without_reader("minidyn", "list") == (b"", BROKEN_PIPE)


@NEEDS_TORCH
@pytest.mark.skipif(find_spec("sklearn") is None, reason="the digits come with scikit-learn")
def test_a_record_is_written_although_nobody_reads_the_summary(tmp_path):
    options = ["--steps", "2", "--train-size", "20", "--width", "2", "--batch-size", "20", "--quiet"]
    errors, status = run_without_reader("minidyn.torch", "digits", *options, "--history", str(tmp_path / "run.nc"))
    assert status == BROKEN_PIPE, errors
    assert (tmp_path / "run.nc").exists()
