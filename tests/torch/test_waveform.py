"""A waveform of one's own in the losses: its weights are used, checked, and compared when a state is loaded."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest

import minidyn as md

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
nn = torch.nn


class Ramp:
    """Emphasises the last of three classes more and more; `rate` is its only setting."""

    def __init__(self, rate=0.01):
        self.rate = rate

    def weights(self, step):
        return [1.0, 1.0, 1.0 + self.rate * step]


class Table:
    """As long as the run, and no longer."""

    def __init__(self, rows):
        self.rows = torch.as_tensor(rows)

    def weights(self, step):
        return self.rows[step]


class Wider(md.Oscillation):
    """A subclass with the settings of an Oscillation and other weights."""

    def weights(self, step):
        return 2 * super().weights(step)


LOSSES = [mt.DynamicalCrossEntropyLoss, mt.DynamicalMSELoss]
LOGITS, LABELS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double(), torch.tensor([0, 1, 2, 2])


@pytest.mark.parametrize("make", LOSSES)
def test_an_oscillation_as_a_waveform_is_the_loss_with_its_settings(make):
    ours = make(gamma=md.Oscillation(10, 8, 3, dwell=9, rest_from=20))
    wanted = make(10, 8, 3, dwell=9, rest_from=20)
    for _ in range(25):
        assert torch.equal(ours(LOGITS, LABELS), wanted(LOGITS, LABELS))
        ours.step()
        wanted.step()


@pytest.mark.parametrize("make", LOSSES)
def test_the_weights_of_a_waveform_are_those_of_the_loss(make):
    loss, static = make(gamma=Ramp(), start=100, reduction="none"), make(1, 2, 3, reduction="none")
    terms = static(LOGITS, LABELS).reshape(4, -1)
    for step in (100, 101, 102):
        gamma = torch.tensor(Ramp().weights(step), dtype=torch.float64)
        torch.testing.assert_close(loss.get_last_weights(), gamma)
        torch.testing.assert_close(loss(LOGITS, LABELS).reshape(4, -1), gamma[LABELS][:, None] * terms)
        loss.step()
    torch.testing.assert_close(loss.eval()(LOGITS, LABELS).reshape(4, -1), terms)


def test_core_and_torch_take_the_same_waveform():
    gamma = Ramp()
    gamma.classes = 3
    loss = mt.DynamicalCrossEntropyLoss(gamma=gamma, start=70)
    wanted = md.CrossEntropy(gamma).value(LOGITS.numpy(), LABELS.numpy(), 70)
    assert float(loss(LOGITS, LABELS)) == pytest.approx(wanted, rel=1e-12)


class Weights:
    """Weights that do not depend on the step."""

    def __init__(self, weights, classes=None):
        self.value = weights
        if classes is not None:
            self.classes = classes

    def weights(self, step):
        return self.value


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        ({"gamma": Ramp}, TypeError, r"gamma must have a method weights\(step\), .* got <class"),
        ({"gamma": lambda step: [1, 1, 1]}, TypeError, "gamma must have a method weights"),
        ({"gamma": Weights([1.0])}, ValueError, r"gamma.weights\(0\) must hold two weights or more, .*got \[1"),
        ({"gamma": Weights([[1.0, 1.0]])}, ValueError, r"gamma.weights\(0\) must have shape \(any,\), got \(1, 2\)"),
        ({"gamma": Weights([1.0, -1.0])}, ValueError, r"each >= 0, got \[ 1. -1.\]"),
        ({"gamma": Weights([1.0, np.nan])}, ValueError, r"gamma.weights\(0\) must be finite"),
        ({"gamma": Weights("heavy")}, TypeError, r"gamma.weights\(0\) must be an array of real numbers"),
        ({"gamma": Ramp(), "num_classes": 4}, ValueError, "num_classes must be .* that gamma gives, 3, got 4"),
        ({"gamma": Weights([1.0, 1.0], classes=3)}, ValueError, "gamma.classes must be .* gives, 2, got 3"),
        ({"gamma": Ramp(), "period": 8, "dwell": 9}, TypeError, "so period, dwell cannot be given beside it"),
        ({}, TypeError, "num_classes must be an integer, got None"),
        ({"num_classes": 3}, TypeError, "amplitude must be a real number, got None"),
    ],
)
@pytest.mark.parametrize("make", LOSSES)
def test_what_is_no_waveform_is_refused_when_it_is_passed(make, options, kind, says):
    with pytest.raises(kind, match=says):
        make(**options)


def test_a_waveform_that_fails_later_is_named_with_its_step():
    loss = mt.DynamicalCrossEntropyLoss(gamma=Table([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]]))
    loss.step()
    with pytest.raises(ValueError, match=r"gamma.weights\(2\) must hold two weights or more, each >= 0"):
        loss.step()


# States


def saved_and_loaded(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def stepped(loss, steps):
    for _ in range(steps):
        loss.step()
    return loss


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("gamma", [Ramp(), Table(np.random.RandomState(0).rand(151, 3)), Wider(10, 8, 3)])
def test_a_state_resumes_in_the_same_place(gamma):
    loss = stepped(mt.DynamicalCrossEntropyLoss(gamma=gamma), 150)
    again = mt.DynamicalCrossEntropyLoss(gamma=copy.deepcopy(gamma))
    again.load_state_dict(saved_and_loaded(loss.state_dict()))
    assert int(again.clock) == 150
    assert torch.equal(again.get_last_weights(), loss.get_last_weights())


@pytest.mark.parametrize("other", [Ramp(0.02), Weights([1.0, 1.0]), md.Oscillation(10, 8, 3)])
def test_a_state_of_another_waveform_is_loaded_with_a_warning(other):
    state = stepped(mt.DynamicalCrossEntropyLoss(gamma=Ramp()), 40).state_dict()
    loss = mt.DynamicalCrossEntropyLoss(gamma=other)
    with pytest.warns(UserWarning, match=r"loss with the weights \[1.0, 1.0, .*\] at step .*, where this one") as told:
        loss.load_state_dict(saved_and_loaded(state))
    assert told[0].filename == __file__
    assert int(loss.clock) == 40


@pytest.mark.parametrize("gamma", [Ramp(), Wider(10, 8, 3)])
def test_a_state_of_an_oscillation_in_another_waveform_is_told(gamma):
    state = mt.DynamicalCrossEntropyLoss(10, 8, 3).state_dict()
    with pytest.warns(UserWarning, match=r"loss with amplitude=10, period=8.* is loaded into one with .*(Ramp|Wider)"):
        mt.DynamicalCrossEntropyLoss(gamma=gamma).load_state_dict(state)


def test_a_loss_shows_its_waveform_the_same_in_each_process():
    assert str(mt.DynamicalCrossEntropyLoss(gamma=Ramp())).startswith("DynamicalCrossEntropyLoss(gamma=Ramp, ignore")
    assert "Oscillation(amplitude=10" in str(mt.DynamicalCrossEntropyLoss(10, 8, 3))
