"""The numbers in a page's text, and the list of its stored results."""

from __future__ import annotations

import pytest
import xarray as xr
from nbformat import from_dict

from minidyn import page
from minidyn.experiments.statistics import Interval


@pytest.fixture
def texts(monkeypatch):
    """The numbers that were set into the text, by name."""
    written: dict[str, str] = {}
    monkeypatch.setattr(page, "_glue", lambda name, text: written.update({name: text}))
    return written


def test_a_number_is_glued_as_the_book_reads_it(monkeypatch):
    from myst_nb.ext.glue import extract_glue_data_cell

    outputs = []
    monkeypatch.setattr(
        page, "display", lambda data, raw, metadata: outputs.append({"data": data, "metadata": metadata})
    )
    page.numbers(".2f", low=0.123)
    cell = from_dict({"cell_type": "code", "outputs": [{"output_type": "display_data", **outputs[0]}]})
    [(name, glued)] = extract_glue_data_cell(cell)
    assert (name, glued.data) == ("low", {"text/plain": "'0.12'"})


def test_numbers_have_true_minus_signs_and_no_signed_zero(texts):
    page.numbers("+.1f", less=-0.6, none=-0.04, ends=Interval(-0.3, -2.5, -0.01), text="-46 ± 16", years="2025-26")
    page.numbers(".0f", each=xr.DataArray([-0.2, -7.0], {"width": [10, 30]}))
    assert texts["less"] == "−0.6"
    assert (texts["none"], texts["each_10"]) == ("0.0", "0")
    assert texts["ends"] == "−0.3 (−2.5 to 0.0)"
    assert (texts["text"], texts["years"], texts["each_30"]) == ("−46 ± 16", "2025-26", "−7")


def test_a_number_is_written_as_its_spec_says(texts):
    page.numbers(".2f", low=0.123, high=2)
    page.numbers(",", updates=35000)
    page.numbers(seeds=12, rule="A = 20")
    assert texts == {"low": "0.12", "high": "2.00", "updates": "35,000", "seeds": "12", "rule": "A = 20"}


def test_an_interval_is_written_with_both_ends(texts):
    page.numbers(gain=Interval(0.02, 0.01, 0.04))
    page.numbers("+.1f", wide=Interval(2, 1, 4))
    assert texts == {"gain": "+0.020 (+0.010 to +0.040)", "wide": "+2.0 (+1.0 to +4.0)"}


def test_an_array_gives_a_number_per_coordinate(texts):
    page.numbers(".1f", gain=xr.DataArray([1.0, 2.0], {"width": [10, 30]}), one=xr.DataArray(0.25))
    page.numbers(".0%", share=xr.DataArray([0.5], {"limit": ["six directions"]}))
    page.numbers(".0f", rate=xr.DataArray([3.0], {"learning_rate": [0.1]}))
    assert texts == {"gain_10": "1.0", "gain_30": "2.0", "one": "0.2", "share_six_directions": "50%", "rate_0.1": "3"}


def test_nothing_is_written_if_a_value_is_refused(texts):
    with pytest.raises(ValueError, match=r"spec must say how gain = 0\.5 is written"):
        page.numbers(seeds=1, gain=0.5)
    with pytest.raises(ValueError, match=r"gain must have at most one dimension, not \('a', 'b'\)"):
        page.numbers(".1f", gain=xr.DataArray([[1.0]], dims=("a", "b")))
    assert texts == {}


def test_sources_name_the_command_of_each_result():
    shown = page.sources("published-run", "controls").data
    assert shown.count("<li>") == 2
    assert "<code>minidyn run controls --full</code>" in shown
    with pytest.raises(FileNotFoundError, match="no result of 'nothing'"):
        page.sources("nothing")
