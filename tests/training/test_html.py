"""What a notebook shows of a task and a run."""

from __future__ import annotations

import re

import numpy as np

import minidyn as md
from minidyn import _progress


def test_a_task_in_the_plane_shows_its_samples_and_another_only_its_counts():
    html = md.spiral(50)._repr_html_()
    assert html.count("<circle") == 150
    assert "50, 50, 50" in html
    assert "<svg" not in md.Task(np.eye(4), [0, 1, 2, 2], 3)._repr_html_()


def test_a_run_shows_its_end_its_loss_and_its_settings():
    net = md.MLP(2, 5, 3)
    run = md.train(net, net.init(0), md.spiral(5), md.CrossEntropy(), learning_rate=0.25, steps=9, progress=False)
    html = run._repr_html_()
    assert "9 updates, finished" in html
    assert "<th>learning_rate</th><td>0.25</td>" in html
    points = [tuple(map(float, p.split(","))) for p in re.search('points="([^"]*)"', html)[1].split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    heights = [-y for _, y in points]
    assert np.argsort(heights).tolist() == np.argsort(run.history.loss.values).tolist()


def test_pictures_sit_on_a_white_card_to_be_seen_in_a_dark_theme():
    net = md.MLP(2, 5, 3)
    run = md.train(net, net.init(0), md.spiral(5), md.CrossEntropy(), learning_rate=0.25, steps=9, progress=False)
    for shown in (run, md.spiral(5)):
        assert re.search(r'<svg [^>]*style="background: white; color: #\w+"', shown._repr_html_())


def test_the_bar_of_a_sweep_that_takes_seconds_appears_at_once(monkeypatch):
    shown = []

    def bar(*args, at_once=None, **kwargs):
        shown.extend([] if at_once is None else [at_once])
        return real(*args, **kwargs)

    real = _progress.bar
    monkeypatch.delenv("MINIDYN_BOOK", raising=False)
    monkeypatch.setattr(_progress, "bar", bar)
    settings = {"grid": {"seed": [0, 1]}, "steps": 3, "task": md.spiral(5), "workers": 1, "engine": "numpy"}
    md.sweep(**settings, progress=False)
    monkeypatch.setattr("minidyn.ensembles.sequential.WORK", 10.0)
    md.sweep(**settings, progress=False)
    assert shown == [False, True]
