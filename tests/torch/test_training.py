"""Training on images: it learns, its record says what happened, and a killed run goes on as if it had not been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import minidyn as md

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
worker = pytest.importorskip("tests.torch.killed_worker", exc_type=ImportError)
nn = torch.nn


def assert_same_end(one, other):
    assert one.done == other.done
    for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert int(one.loss.clock) == int(other.loss.clock) == one.done
    xr.testing.assert_identical(one.history, other.history)


@pytest.fixture(scope="module")
def uninterrupted():
    trainer = worker.make_trainer()
    trainer.run(worker.STEPS, progress=False)
    return trainer


def test_it_learns_to_read_digits():
    train, validation = mt.digits(train_size=200)
    loss = mt.DynamicalCrossEntropyLoss(amplitude=3, period=10, num_classes=10, rest_from=100)
    trainer = mt.Trainer(mt.Myrtle5(1, width=8), train, loss, validation=validation, batch_size=50)
    before, after = (trainer.run(steps, progress=False).isel(step=-1) for steps in (0, 120))
    assert before.validation_accuracy < 0.3
    assert after.validation_accuracy > 0.75
    assert after.static_loss < before.static_loss / 4
    assert after.loss == pytest.approx(float(after.static_loss))  # at rest


def test_the_record(uninterrupted):
    history = uninterrupted.history
    gamma = md.Oscillation(5, 4, 10)
    assert history.step.values.tolist() == [0, 15, 30, 45]
    np.testing.assert_array_equal(history.weights, gamma.weights(history.step.values))
    start = worker.make_trainer()
    with torch.no_grad():
        logits = start.model(start.train.x).cpu()
    first = history.isel(step=0)
    labels = start.train.labels.cpu().numpy()
    assert float(first.loss) == pytest.approx(
        md.CrossEntropy(gamma).value(logits.double().numpy(), labels, 0), rel=1e-5
    )
    assert float(first.accuracy) == (logits.argmax(1).numpy() == labels).mean()
    assert history.batch_loss.shape == (45,)
    assert history.batch_loss.dtype == np.float32


def test_every_sample_once_an_epoch():
    trainer, seen = worker.make_trainer(), []
    trainer.model.register_forward_pre_hook(lambda model, args: seen.append(args[0]) if model.training else None)
    trainer.run(8, progress=False)
    for epoch in (seen[:4], seen[4:]):
        assert [len(batch) for batch in epoch] == [8, 8, 8, 6]
        order = (torch.cat(epoch)[:, None] == trainer.train.x).flatten(2).all(2).nonzero()[:, 1]
        assert sorted(order.tolist()) == list(range(30))
    assert not torch.equal(seen[0], seen[4])


@pytest.mark.parametrize(("where", "kept"), [pytest.param("between", 30, marks=pytest.mark.slow), ("writing", 20)])
def test_a_killed_run_loses_at_most_one_interval(tmp_path, uninterrupted, where, kept):
    file = tmp_path / "run.pt"
    script = Path(worker.__file__)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, script, where, file], env=environment, capture_output=True, timeout=180)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    trainer = worker.make_trainer()
    trainer.load(file)
    assert trainer.done == kept
    resumed = worker.make_trainer()
    resumed.run(worker.STEPS, store=file, checkpoint_every=worker.INTERVAL, progress=False)
    assert_same_end(resumed, uninterrupted)


def test_runs_in_parts_are_the_whole(uninterrupted, tmp_path):
    trainer = worker.make_trainer()
    for steps in (15, 30, 45):
        trainer.run(steps, progress=False)
    assert_same_end(trainer, uninterrupted)
    trainer.run(45, store=tmp_path / "new" / "run.pt", progress=False)  # nothing left to do but write
    again = worker.make_trainer()
    again.run(45, store=tmp_path / "new" / "run.pt", progress=False)
    assert_same_end(again, uninterrupted)


@pytest.mark.parametrize("mixed_precision", [False, True])
def test_randomness_and_mixed_precision_resume_exactly(tmp_path, mixed_precision):
    """Dropout in update k depends on the seed and on k; the program's own random state is left alone."""

    def trainer():
        torch.manual_seed(5)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 10))
        train, _ = mt.digits(train_size=30)
        options = {"batch_size": 10, "mixed_precision": mixed_precision, "measure_every": 7, "seed": 3}
        return mt.Trainer(net, train, mt.DynamicalMSELoss(5, 4, 10, weighting="output"), **options)

    whole, state = trainer(), torch.get_rng_state()
    whole.run(14, progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    trainer().run(7, store=tmp_path / "run.pt", progress=False)
    parts = trainer()
    parts.run(14, store=tmp_path / "run.pt", progress=False)
    assert_same_end(parts, whole)
    assert all(p.dtype == torch.float32 for p in whole.model.parameters())


def test_mixed_precision_computes_in_bfloat16():
    trainer, seen = worker.make_trainer(mixed_precision=True), set()
    trainer.model.classifier.register_forward_hook(lambda layer, args, out: seen.add(out.dtype))
    history = trainer.run(10, progress=False)
    assert seen == {torch.bfloat16}
    exact = worker.make_trainer().run(10, progress=False)
    np.testing.assert_allclose(history.batch_loss[:2], exact.batch_loss[:2], rtol=0.05)
    assert not np.array_equal(history.batch_loss, exact.batch_loss)


def test_a_run_that_diverges_says_so_and_stops():
    trainer = worker.make_trainer(learning_rate=1e12, measure_every=5)
    with pytest.warns(RuntimeWarning, match="not finite after 5 updates"):
        history = trainer.run(40, progress=False)
    assert trainer.done == 5
    assert not np.isfinite(history.loss[-1])


@pytest.mark.parametrize(
    "changed", [{"seed": 1}, {"learning_rate": 0.03}, {"validation": None}, {"mixed_precision": True}]
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, changed):
    worker.make_trainer().run(2, store=tmp_path / "run.pt", progress=False)
    with pytest.raises(ValueError, match=f"of another run: it has .*{next(iter(changed))}"):
        worker.make_trainer(**changed).run(4, store=tmp_path / "run.pt", progress=False)


class Handover:
    """A waveform of one's own that hands over from one class to the next without a ramp."""

    def __init__(self, turn=4):
        self.turn = turn

    def weights(self, step):
        weights = np.full(10, 0.5)
        weights[step // self.turn % 10] = 5.5
        return weights


def with_waveform(gamma):
    train, _ = mt.digits(train_size=30)
    loss = mt.DynamicalCrossEntropyLoss(gamma=gamma)
    return mt.Trainer(mt.Myrtle5(1, width=3, seed=2), train, loss, batch_size=8, measure_every=5, learning_rate=0.02)


def test_a_waveform_of_ones_own_is_trained_recorded_and_resumed(tmp_path):
    whole = with_waveform(Handover())
    history = whole.run(13, progress=False)
    np.testing.assert_array_equal(history.weights, [Handover().weights(int(k)) for k in history.step])
    with_waveform(Handover()).run(10, store=tmp_path / "run.pt", progress=False)
    resumed = with_waveform(Handover())
    resumed.run(13, store=tmp_path / "run.pt", progress=False)
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)
    static = with_waveform(md.Oscillation(1, 4, 10))
    static.run(13, progress=False)
    assert not np.array_equal(static.history.batch_loss, history.batch_loss)
    with pytest.raises(ValueError, match=r"of another run: its loss has the weights .* at step 3"):
        with_waveform(Handover(3)).load(tmp_path / "run.pt")


SCHEDULES = {
    "cosine": lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20),
    "steps": lambda optimizer: torch.optim.lr_scheduler.MultiStepLR(optimizer, [4, 8], gamma=0.5),
    "cycle": lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=40),
    "function": lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1 / (1 + k)),
    "plateau": lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.9),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_followed_and_resumed_exactly(tmp_path, name):
    schedule, parameter = SCHEDULES[name], nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], 0.02, momentum=0.9)
    reference, rates = schedule(optimizer), []
    whole = worker.make_trainer(schedule=schedule, measure_every=3)
    history = whole.run(13, progress=False)
    for k in range(13):
        if name == "plateau" and k % 3 == 0:
            reference.step(float(history.validation_loss.sel(step=k)))
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if name != "plateau":
            reference.step()
    measured = history.learning_rate.sel(step=slice(0, 12))
    np.testing.assert_allclose(measured, rates[::3])
    assert len(set(rates)) > 1
    worker.make_trainer(schedule=schedule, measure_every=3).run(7, store=tmp_path / "run.pt", progress=False)
    resumed = worker.make_trainer(schedule=schedule, measure_every=3)
    resumed.run(13, store=tmp_path / "run.pt", progress=False)
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert resumed.optimizer.param_groups[0]["lr"] == whole.optimizer.param_groups[0]["lr"]
    other = lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 5)  # noqa: E731
    with pytest.raises(ValueError, match=r"of another run: it has .*schedule"):
        worker.make_trainer(schedule=other, measure_every=3).load(tmp_path / "run.pt")
    assert "learning_rate" not in worker.make_trainer().run(1, progress=False)


class ByName(nn.Module):
    """Takes images and a mask by name, and returns logits by name."""

    def __init__(self):
        super().__init__()
        self.net = mt.Myrtle5(1, width=3, seed=2)

    def forward(self, pixel_values, mask):
        return {"logits": self.net(pixel_values * mask[:, None, None, None])}


def test_a_model_that_works_by_name_is_trained_as_the_same_model_on_tensors():
    train, validation = mt.digits(train_size=30)
    options = {"batch_size": 8, "measure_every": 5, "learning_rate": 0.02}
    plain = mt.Trainer(
        mt.Myrtle5(1, width=3, seed=2), train, mt.DynamicalMSELoss(5, 4, 10), validation=validation, **options
    )
    named = [
        mt.Images({"pixel_values": part.x, "mask": torch.ones(len(part))}, part.labels, 10)
        for part in (train, validation)
    ]
    assert repr(named[0]) == "Images(30 of pixel_values (1 x 8 x 8), mask (), 10 classes)"
    by_name = mt.Trainer(ByName(), named[0], mt.DynamicalMSELoss(5, 4, 10), validation=named[1], **options)
    for trainer in (plain, by_name):
        trainer.run(11, progress=False)
    xr.testing.assert_allclose(by_name.history, plain.history, rtol=1e-5)
    with pytest.raises(ValueError, match="validation must be like train"):
        mt.Trainer(ByName(), named[0], mt.DynamicalMSELoss(5, 4, 10), validation=validation, **options)


def test_a_model_is_tried_without_a_trace_before_it_is_trained():
    net, state = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Dropout(), nn.Linear(64, 10)), torch.get_rng_state()
    net[1].eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    mt.Trainer(net, mt.digits(train_size=30)[0], mt.DynamicalMSELoss(5, 4, 10), batch_size=8, device="cpu")
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert [module.training for module in net] == [True, False, True, True]
    assert torch.equal(torch.get_rng_state(), state)


def test_a_damaged_checkpoint_is_named(tmp_path):
    file = tmp_path / "run.pt"
    worker.make_trainer().run(2, store=file, progress=False)
    weights = torch.load(file, weights_only=True)["model"]
    assert worker.make_trainer().model.load_state_dict(weights)
    whole = file.read_bytes()
    flipped = bytes([*whole[:1000], whole[1000] ^ 1, *whole[1001:]])
    for content in (whole[: len(whole) // 2], flipped, b"", b"a text"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"run\.pt' is not a whole file"):
            worker.make_trainer().load(file)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        worker.make_trainer().load(tmp_path / "none.pt")


def with_classes(classes):
    images = mt.digits(train_size=30)[1]
    return mt.Images(images.x, images.labels, classes)


IMAGES = torch.zeros(4, 1, 8, 8)
LABELS = torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("x", "labels", "kind", "says"),
    [
        (IMAGES, LABELS[:3], ValueError, r"labels must have shape \(4,\), one per image, got \(3,\)"),
        (IMAGES, LABELS.float(), TypeError, "labels must be class indices, torch.int64, got torch.float32"),
        (IMAGES, LABELS + 1, ValueError, r"labels must lie in 0\.\.2, got 1\.\.3"),
        (IMAGES, LABELS - 1, ValueError, r"labels must lie in 0\.\.2, got -1\.\.1"),
        (IMAGES.numpy(), LABELS, TypeError, "x must be a tensor"),
        (IMAGES.long(), LABELS, TypeError, "x must hold floating-point numbers"),
        (IMAGES[:0], LABELS[:0], ValueError, "x must hold at least one sample"),
        (IMAGES * torch.nan, LABELS, ValueError, "x must hold no NaN, got 256"),
        (
            {"pixels": IMAGES, "mask": LABELS[:3]},
            LABELS,
            ValueError,
            r"samples in each tensor, got pixels \(4, ",
        ),
        ({}, LABELS, TypeError, "x must be a tensor, or a mapping of names to tensors"),
    ],
)
def test_images_that_do_not_fit_their_labels_are_refused(x, labels, kind, says):
    with pytest.raises(kind, match=says):
        mt.Images(x, labels, 3)


def test_an_interrupt_waits_for_the_update_and_writes_the_checkpoint(tmp_path, uninterrupted, monkeypatch):
    """Ctrl-C in the middle of update 23: the update is finished, written, and nothing is lost."""
    trainer, step = worker.make_trainer(), torch.optim.SGD.step

    def pressed(optimizer, *arguments):
        result = step(optimizer, *arguments)
        if trainer.done == 22:
            os.kill(os.getpid(), signal.SIGINT)  # the weights are moved, the clock is not
        return result

    monkeypatch.setattr(torch.optim.SGD, "step", pressed)
    before = signal.getsignal(signal.SIGINT)
    with pytest.warns(UserWarning, match="interrupted after 23 updates"):
        trainer.run(worker.STEPS, store=tmp_path / "run.pt", checkpoint_every=1000, progress=False)
    assert trainer.status == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.setattr(torch.optim.SGD, "step", step)
    resumed = worker.make_trainer()
    resumed.load(tmp_path / "run.pt")
    assert resumed.done == 23
    resumed.run(worker.STEPS, progress=False)
    assert resumed.status == "finished"
    assert_same_end(resumed, uninterrupted)


def test_resume_adds_what_run_totals(uninterrupted):
    trainer = worker.make_trainer()
    trainer.resume(20, progress=False)
    assert trainer.done == 20
    trainer.resume(worker.STEPS - 20, progress=False)
    for a, b in zip(trainer.model.parameters(), uninterrupted.model.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match="steps must be an integer >= 1, got 0"):
        trainer.resume(0)


def test_a_store_that_cannot_be_written_is_named_before_any_update(tmp_path):
    (tmp_path / "file").write_text("mine")
    for path, says in ((tmp_path, "store must be a file, and"), (tmp_path / "file" / "run.pt", "store must be in a")):
        trainer = worker.make_trainer()
        with pytest.raises(OSError, match=says):
            trainer.run(10, store=path, progress=False)
        assert trainer.done == 0


def test_the_store_answers_to_its_former_name(tmp_path):
    with pytest.warns(DeprecationWarning, match=r"Trainer\.run\(checkpoint=\.\.\.\) is now Trainer\.run\(store="):
        worker.make_trainer().run(1, checkpoint=tmp_path / "run.pt", progress=False)
    assert (tmp_path / "run.pt").exists()


def with_nan():
    net = mt.Myrtle5(1, width=2)
    net.classifier.weight.data[0, 0] = torch.nan
    return net


def infinite():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Threshold(1e9, torch.inf))


@pytest.mark.parametrize(
    ("changed", "kind", "says"),
    [
        ({"model": lambda x: x}, TypeError, "model"),
        ({"train": (1, 2)}, TypeError, "train"),
        ({"validation": 3}, TypeError, "validation"),
        ({"loss": nn.CrossEntropyLoss()}, TypeError, "loss"),
        ({"loss": mt.DynamicalMSELoss(2, 4, 3)}, ValueError, "3 classes"),
        ({"loss": mt.DynamicalMSELoss(2, 4, 10, reduction="none")}, ValueError, "reduction"),
        ({"batch_size": 31}, ValueError, "batch_size"),
        ({"learning_rate": 0}, ValueError, "learning_rate"),
        ({"momentum": -1}, ValueError, "momentum"),
        ({"measure_every": 0}, ValueError, "measure_every"),
        ({"seed": -1}, ValueError, "seed"),
        ({"device": "abacus"}, ValueError, "device must be one that PyTorch can use here, as 'cpu', got 'abacus'"),
        ({"model": mt.Myrtle5(1, width=2).requires_grad_(False)}, ValueError, "a parameter that requires a gradient"),
        ({"validation": with_classes(20)}, ValueError, "validation must be like train"),
        ({"model": with_nan()}, ValueError, "model must have finite parameters, got nan in 'classifier.weight'"),
        (
            {"model": mt.Myrtle5(3, width=2)},
            ValueError,
            r"model must take the samples of train, Images\(30 of 1 x 8 x 8",
        ),
        ({"model": mt.Myrtle5(1, 7, width=2)}, ValueError, r"a logit per class, shape \(2, 10\), got \(2, 7\)"),
        (
            {"model": nn.Sequential(nn.LazyConv2d(3, 3))},
            ValueError,
            "model must know its shapes, and '0.weight' is lazy",
        ),
        ({"model": infinite()}, ValueError, "model must give finite outputs for train"),
        ({"schedule": 0.1}, TypeError, "schedule must take the optimizer to a scheduler of torch, got 0.1"),
        ({"schedule": lambda optimizer: 0.1}, TypeError, "schedule must return a scheduler of the optimizer"),
    ],
)
def test_bad_arguments_are_named(changed, kind, says):
    arguments = {
        "model": mt.Myrtle5(1, width=2),
        "train": mt.digits(train_size=30)[0],
        "loss": mt.DynamicalMSELoss(2, 4, 10),
        "batch_size": 10,
        **changed,
    }
    with pytest.raises(kind, match=says):
        mt.Trainer(**arguments)


def test_the_script(tmp_path, capsys):
    main = pytest.importorskip("minidyn.torch.__main__").main
    line = ["digits", "--train-size", "30", "--batch-size", "10", "--width", "2", "--amplitude", "4", "--period", "6"]
    files = ["--checkpoint", f"{tmp_path}/a/run.pt", "--history", f"{tmp_path}/b/run.nc", "--quiet"]
    for loss in ("cross_entropy", "mse_output"):
        assert main([*line, "--steps", "12", "--rest", "4", "--loss", loss, "--quiet"]) == 0
        assert "12 updates on Images(30 of 1 x 8 x 8" in capsys.readouterr().out
    assert main([*line, "--steps", "12", *files]) == 0
    assert main([*line, "--steps", "20", *files]) == 0
    history = xr.load_dataset(tmp_path / "b/run.nc")
    assert history.step.values.tolist() == [0, 12, 20]
    np.testing.assert_array_equal(history.weights[-1], md.Oscillation(4, 6, 10).weights(20))
    assert main([*line, "--steps", "20", "--seed", "1", *files]) == 2
    assert "of another run" in capsys.readouterr().err


def test_the_record_and_its_checkpoint_say_where_they_come_from(tmp_path, monkeypatch):
    trainer = worker.make_trainer()
    trainer.run(2, store=tmp_path / "run.pt", progress=False)
    attributes = trainer.history.attrs
    assert json.loads(attributes["versions"])["torch"] == torch.__version__
    settings = json.loads(attributes["settings"])
    assert (settings["batch_size"], settings["train"]) == (trainer.batch_size, repr(trainer.train))
    same, other = worker.make_trainer(), worker.make_trainer()
    same.load(tmp_path / "run.pt")
    assert same.history.attrs == attributes
    monkeypatch.setattr("minidyn._provenance.platform.python_version", lambda: "3.99.1")
    other.load(tmp_path / "run.pt")
    assert {name: other.history.attrs[name] for name in attributes} == attributes
    [entry] = json.loads(other.history.attrs["resumed"])
    assert (entry["step"], entry["python"]) == (2, "3.99.1")
