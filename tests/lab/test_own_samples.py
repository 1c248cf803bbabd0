"""The reader's own samples in the lab: the engine follows the library on them, and what cannot be drawn is refused."""

from __future__ import annotations

import json
import re
import shutil
from html import escape

import numpy as np
import pytest

import minidyn as md

pytest.importorskip("anywidget")
from minidyn.lab import Lab, samples
from tests.expectations import expect
from tests.lab.conftest import LAB, receive

STEPS = 306
SETTINGS = {"amplitude": 5.0, "period": 60, "learning_rate": 0.1, "width": 20}

ENGINE_RUN = """
import { Run } from "./engine/run.js";
import { typed } from "./engine/task.js";
const samples = JSON.parse(data.samples);
samples.training = typed(samples.training);
samples.validation = typed(samples.validation);
const usual = { seed: 3, weights: "seed", clock: "paper", rest_from: 0, loss: data.loss };
const run = new Run({ ...usual, ...data.settings, data: samples });
for (let i = 0; i < data.steps; i++) run.advance();
say({ F: run.F, correct: run.correct, validation: run.validationCorrect, sharpness: run.curvature() });
"""
PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Lab</title>
<script defer src="lab.js"></script></head><body><main><h1>Lab</h1>
<div data-lab="{}" data-samples="{}"></div></main></body></html>"""


def clouds(seed, count=67):
    """Three clouds of unequal size, the farthest point nearly 6 away from the origin."""
    random = np.random.RandomState(seed)
    labels = random.choice(3, size=count, p=[0.5, 0.3, 0.2])
    return md.Task(4 * np.array([[1, 0], [-0.5, 0.8], [-0.5, -0.8]])[labels] + random.randn(count, 2), labels, 3)


def train(loss):
    net = md.MLP(2, SETTINGS["width"], 3)
    run = md.train(net, net.init(3), clouds(0), loss, learning_rate=0.1, steps=STEPS, validation=clouds(1, 40),
                   measure={"hessian_max": 51}, progress=False)  # fmt: skip
    return run.history


@pytest.mark.parametrize("loss", ["cross_entropy", "mse_sample", "mse_output"])
def test_the_engine_follows_the_library_on_them(node, loss):
    gamma = md.Oscillation(SETTINGS["amplitude"], SETTINGS["period"])
    losses = {
        "cross_entropy": md.CrossEntropy(gamma),
        "mse_sample": md.SquaredError(gamma, "sample"),
        "mse_output": md.SquaredError(gamma, "output"),
    }
    history = train(losses[loss])
    text = samples.as_text(clouds(0), clouds(1, 40))
    end = node(ENGINE_RUN, {"samples": text, "settings": SETTINGS, "loss": loss, "steps": STEPS})
    assert end["F"] == pytest.approx(float(history.loss[-1]), rel=1e-9)
    assert end["correct"] == round(67 * float(history.accuracy[-1]))
    assert end["validation"] == round(40 * float(history.validation_accuracy[-1]))
    assert end["sharpness"] == pytest.approx(float(history.hessian_max[-1]), rel=1e-4)


def test_the_history_counts_them():
    lab = Lab(clouds(0), clouds(1, 40), width=20)
    receive(lab)
    row = np.array([0, 1.5, 33, 10, 0.2, 0.5, 0.5, 0.5])
    receive(lab, memoryview(row.tobytes()))
    assert float(lab.history.accuracy[0]) == 33 / 67
    assert float(lab.history.validation_accuracy[0]) == 10 / 40


def test_without_validation_samples_there_is_no_validation_accuracy():
    lab = Lab(clouds(0))
    receive(lab)
    receive(lab, memoryview(np.zeros(8).tobytes()))
    assert np.isnan(lab.history.validation_accuracy).all()
    with pytest.raises(ValueError, match="guess 'accuracy@300' asks for the validation accuracy"):
        lab.guess = "accuracy@300"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros((3, 2)),), TypeError, "task must be a minidyn.Task, got ndarray"),
        ((md.spiral(4), [1]), TypeError, "validation must be a minidyn.Task, got list"),
        ((None, md.spiral(4)), ValueError, "validation must come with a task"),
        ((md.Task([[0.0, 1.0], [1.0, 0.0]], [0, 1], 2),), ValueError, r"2 dimensions and 3 classes.* got 2 and 2"),
        ((md.Task([[0.0], [1.0]], [0, 1], 3),), ValueError, r"2 dimensions and 3 classes.* got 1 and 3"),
        ((md.spiral(700),), ValueError, "task must have at most 2000 samples, got 2100"),
    ],
)
def test_what_the_lab_cannot_draw_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Lab(*arguments)


@pytest.mark.parametrize("name", ["noise", "data_seed"])
def test_what_makes_spirals_has_no_effect_and_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} makes spirals, and this lab has samples of your own"):
        Lab(clouds(0), **{name: 1})
    lab = Lab(clouds(0))
    with pytest.raises(ValueError, match=name):
        lab.state = {name: 1}


def test_they_cannot_be_changed_and_stand_in_the_repr():
    lab = Lab(clouds(0), width=20)
    assert repr(lab) == "Lab(task=Task(67 samples in 2 dimensions, 3 classes), width=20)"
    with pytest.raises(AttributeError):
        lab.task = clouds(1)


def test_a_page_gets_them_with_the_lab(monkeypatch):
    monkeypatch.setenv("MINIDYN_BOOK", "1")
    html = Lab(clouds(0), width=20)._repr_mimebundle_()["text/html"]
    text = re.search(r'data-samples="(.*?)"', html)[1].replace("&quot;", '"')
    assert json.loads(text)["training"]["labels"] == clouds(0).labels.tolist()


@pytest.mark.browser
def test_the_lab_trains_and_shows_them(page, tmp_path):
    shutil.copy(LAB / "lab.js", tmp_path)
    text = samples.as_text(clouds(0), clouds(1, 40))
    query = "A=5&T=60&eta=0.1&H=20&seed=3&step=306&play=0"
    (tmp_path / "page.html").write_text(PAGE.format(query, escape(text)))
    page.goto((tmp_path / "page.html").as_uri())
    page.evaluate("window.lab = document.querySelector('[data-lab]').lab")
    page.wait_for_function("lab.session.step === 306 && lab.session.mode === 'paused'")
    history = train(md.CrossEntropy(md.Oscillation(5, 60)))
    row = page.evaluate("lab.session.records[0].row(306)")
    assert row["F"] == pytest.approx(float(history.loss[-1]), rel=1e-9)
    accuracy = f"{100 * float(history.accuracy[-1]):.1f}%"
    page.get_by_text(accuracy).first.wait_for()
    assert "of 67 samples correct" in page.evaluate("lab.panels[0].map.canvas.getAttribute('aria-label')")
    reach = 1.15 * float(np.abs(clouds(0).x).max())
    assert page.evaluate("lab.panels[0].map.halfWidth") == pytest.approx(reach)
    expect(page.get_by_label("Noise").first).to_be_hidden()
    page.evaluate("lab.download(0)")
    expect(page.get_by_text("Files hold runs on the spirals only.")).to_have_count(1)
