"""Former names of modules, functions and arguments: they work, and each use says what the name is now."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from minidyn import _renamed, derivatives, model
from minidyn.eigenvalues import lanczos


@contextmanager
def warned(old, new):
    message = f"^{re.escape(old)} is now {re.escape(new)}; the old name goes in 0.3$"
    with pytest.warns(DeprecationWarning, match=message) as warnings:
        yield
    assert [warning.filename for warning in warnings] == [__file__]  # it points at the use, not into the library


@pytest.mark.parametrize(("old", "new"), sorted(_renamed.RENAMED.items()))
def test_a_module_answers_to_its_former_name(old, new):
    try:
        renamed = importlib.import_module(new)
    except ImportError:
        pytest.skip(f"{new} needs what is not installed here")
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{re.escape(old)} is now {re.escape(new)}"):
        module = importlib.import_module(old)
    members = vars(renamed).items()
    name = next(name for name, value in members if inspect.isfunction(value) or inspect.isclass(value))
    assert getattr(module, name) is getattr(renamed, name)


@pytest.mark.parametrize("name", ["gradient", "hessian", "hessian_product", "jacobian", "jvp", "vjp"])
def test_the_derivatives_answer_to_their_former_home(name):
    with warned(f"minidyn.model.{name}", f"minidyn.derivatives.{name}"):
        member = getattr(model, name)
    assert member is getattr(derivatives, name)
    with warned(f"minidyn.model.{name}", f"minidyn.derivatives.{name}"):
        exec(compile(f"from minidyn.model import {name}", __file__, "exec"))


def test_a_module_has_no_name_that_it_never_had():
    with pytest.raises(AttributeError, match=r"module 'minidyn.model' has no attribute 'gradients'"):
        model.gradients  # noqa: B018


@_renamed.arguments(most="max_basis")
def basis(k, *, max_basis=7):
    """What the function says of itself."""
    return k, max_basis


def test_an_argument_answers_to_its_former_name():
    with warned("basis(most=...)", "basis(max_basis=...)"):
        assert basis(1, most=3) == (1, 3)
    assert basis(1, max_basis=3) == (1, 3)
    assert basis(1) == (1, 7)
    assert basis.__doc__ == "What the function says of itself."


def test_an_argument_is_given_by_one_of_its_names():
    with pytest.raises(TypeError, match="got both 'max_basis' and 'most', its former name"):
        basis(1, most=3, max_basis=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_bases'"):
        basis(1, max_bases=3)


def test_lanczos_takes_the_size_of_its_basis_by_the_former_name():
    with warned("lanczos(most=...)", "lanczos(max_basis=...)"):
        spectrum = lanczos(lambda v: np.arange(20.0) * v, 20, most=3)
    assert spectrum.products == 3 + 1
