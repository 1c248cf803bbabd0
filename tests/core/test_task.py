"""The spirals, and a reader's own data."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

import minidyn as md


@pytest.mark.parametrize(("points", "classes"), [(1, 2), (7, 2), (20, 5)])
def test_any_number_of_classes_and_points(points, classes):
    task = md.spiral(points, classes)
    assert task.x.shape == (points * classes, 2)
    assert (np.bincount(task.labels) == points).all()
    assert np.linalg.norm(task.x, axis=1).max() <= 1 + 1e-15


def test_without_noise_an_arm_is_a_spiral():
    x = md.spiral(5, 2, revolutions=1, noise=0).x
    np.testing.assert_allclose(x[:5, 0], [0, 0.25 * np.sqrt(0.5), 0, -0.75 * np.sqrt(0.5), -1], atol=1e-15)
    np.testing.assert_allclose(x[5:], -x[:5], atol=1e-15)


def test_the_seed_decides():
    assert md.spiral(seed=3).x.tobytes() == md.spiral(seed=3).x.tobytes()
    assert (md.spiral(seed=3).x != md.spiral(seed=4).x).any()


def test_a_task_is_immutable_and_owns_its_data():
    x, labels = np.zeros((2, 1)), np.array([0, 1])
    task = md.Task(x, labels, 2)
    x[0], labels[0] = 9, 1
    assert task.x[0] == 0
    assert task.labels[0] == 0
    for change in (lambda: task.x.__setitem__(0, 1), lambda: task.labels.__setitem__(0, 1)):
        with pytest.raises(ValueError, match="read-only"):
            change()
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.classes = 3


def test_a_class_may_have_no_sample():
    task = md.Task([[0.0, 1], [1, 0]], [0, 2], classes=4)
    net, loss = md.MLP(2, 5, 4), md.CrossEntropy(md.Oscillation(3, 10, classes=4))
    run = md.train(net, net.init(0), task, loss, learning_rate=0.1, steps=30)
    assert run.history.loss[-1] < run.history.loss[0]


def test_a_task_from_another_process_is_immutable_and_owns_its_data():
    """Data out of a message's buffer may lie anywhere, and sums over it come out differently in the last bit."""
    task, buffers = md.spiral(), []
    message = pickle.dumps(task, 5, buffer_callback=buffers.append)
    padded = [memoryview(b"." + buffer.raw().tobytes())[1:] for buffer in buffers]
    received = pickle.loads(message, buffers=padded)
    assert received.x.ctypes.data % 16 == 0
    assert received.x.tobytes() == task.x.tobytes()
    assert not received.x.flags.writeable
    assert not received.labels.flags.writeable
