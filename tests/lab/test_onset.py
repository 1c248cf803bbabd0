"""The lab foresees the onset of a burst as the experiment "onset" does: from the gradient flow, where η λ_max = 2."""

from __future__ import annotations

import pytest

from minidyn.experiments.tilting import one_direction
from minidyn.experiments.tilting.windows import Setting
from minidyn.parameters import Structure
from tests.lab import golden

FORESEEN = """
import { Onset } from "./onset.js";
const onset = new Onset(data.settings, data.step, Float64Array.from(data.parameters));
while (!onset.over) onset.advance();
say({ onset: onset.onset, path: onset.path });
"""


@pytest.mark.parametrize("width", [25, 50])
def test_the_predicted_onset_is_the_experiments(node, width, monkeypatch):
    monkeypatch.setattr(one_direction, "EVERY", 25)  # steps between two looks: the experiment's own are 100
    setting = Setting(width=width, amplitude=20, period=1000)
    params = setting.train(setting.init(0), 0, 1500).params
    weights = Structure(params).flatten(params)
    flow = one_direction._gradient_flow(weights, 1500, 2000, setting)
    expected = one_direction._first_crossings(flow, setting)[0]
    own = {"amplitude": 20, "period": 1000, "learning_rate": 1, "width": width, "loss": "cross_entropy"}
    data = {"settings": golden.USUAL | own, "step": 1500, "parameters": weights.tolist()}
    shown = node(FORESEEN, data)
    assert 1500 < expected < 2000
    assert shown["onset"] == pytest.approx(expected, abs=0.01)
    steps = [place["step"] for place in shown["path"]]
    assert steps == list(range(1500, steps[-1] + 1, 25))
    assert set(steps) <= set(flow)


def test_predictions_are_made_in_the_middle_of_each_turn(node):
    code = """
        import { isMidTurn } from "./onset.js";
        const steps = Array.from({ length: 4000 }, (_, step) => step);
        const middles = (settings) => steps.filter((step) => isMidTurn(settings, step));
        say(data.map(middles));
    """
    usual = {"amplitude": 20, "period": 1000, "rest_from": 0, "clock": "paper"}
    changes = [{}, {"rest_from": 3000}, {"amplitude": 1}, {"period": 50}, {"clock": "notebook"}]
    shown = node(code, [usual | change for change in changes])
    assert shown == [[500, 1500, 2500, 3500], [500, 1500, 2500], [], [], [501, 1502, 2503, 3504]]
