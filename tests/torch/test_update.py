"""The update of a Trainer: one function of what stands on the device, eager or replayed."""

from __future__ import annotations

import pytest

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
update = pytest.importorskip("minidyn.torch.update", exc_type=ImportError)
nn = torch.nn

STEPS = 14  # epochs of 4 updates, the last of which is smaller


def make_trainer(model=None, device="cpu", **options):
    train, validation = mt.digits(train_size=35)
    loss = mt.DynamicalCrossEntropyLoss(5, 3, 10, rest_from=11, start=2)
    options = {"batch_size": 10, "measure_every": 5, "validation": validation, "seed": 4, "device": device, **options}
    return mt.Trainer(model or mt.Myrtle5(1, width=3, seed=1), train, loss, **options)


def graphed(trainer, captures):
    """The trainer with a capture that repeats the very call it was given, as a graph repeats its kernels."""

    def capture(function):
        captures.append(trainer.done)
        return function

    trainer._update = update.GraphedUpdate(trainer._eager, capture)
    return trainer


def assert_same_run(ours, reference):
    assert ours.history.identical(reference.history)
    for one, other in zip(ours.model.parameters(), reference.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_replayed_updates_are_those_of_the_eager_path():
    eager, captures = make_trainer(), []
    eager.run(STEPS, progress=False)
    replayed = graphed(make_trainer(), captures)
    replayed.run(STEPS, progress=False)
    assert_same_run(replayed, eager)
    assert captures == [4]  # after three full batches to warm up, and the small one


def test_what_is_captured_reads_nothing_that_changes_between_updates():
    """Called again and again with the same argument, it takes the batches, and the Γ, of the epoch in turn."""
    trainer, seen = make_trainer(), []
    one = trainer._eager
    trainer._begin_epoch(0, 0)
    trainer.model.register_forward_pre_hook(lambda model, inputs: seen.append(inputs[0]))
    for _ in range(3):
        one(10)
        seen.append(trainer.loss._class_weights)
    samples, gammas = torch.cat(seen[::2]), torch.stack(seen[1::2])
    assert torch.equal(samples, trainer.train.x[one.order[:30]])
    torch.testing.assert_close(gammas, torch.from_numpy(trainer.loss.gamma.weights([2, 3, 4])))
    assert one.batch.tolist() == [3]
    assert (one.values[:3] > 0).all()


def test_a_model_that_draws_random_numbers_runs_eagerly():
    def net():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Dropout(), nn.Linear(16, 10))

    eager, captures = make_trainer(net()), []
    eager.run(STEPS, progress=False)
    trainer = graphed(make_trainer(net()), captures)
    trainer.run(STEPS, progress=False)
    assert captures == []
    assert trainer._update.is_eager
    assert_same_run(trainer, eager)


def test_what_cannot_be_captured_runs_eagerly_and_is_said():
    def capture(function):
        raise RuntimeError("operation not permitted when stream is capturing")

    eager, trainer = make_trainer(), make_trainer()
    eager.run(STEPS, progress=False)
    trainer._update = update.GraphedUpdate(trainer._eager, capture)
    with pytest.warns(
        UserWarning, match="cannot be captured as a CUDA graph and runs eagerly: operation not permitted"
    ):
        trainer.run(STEPS, progress=False)
    assert_same_run(trainer, eager)


@pytest.mark.parametrize("stop", [3, 4, 6])
def test_a_resumed_run_goes_on_in_the_middle_of_an_epoch(tmp_path, stop):
    whole = make_trainer()
    whole.run(STEPS, progress=False)
    make_trainer().run(stop, store=tmp_path / "run.pt", progress=False)
    resumed = make_trainer()
    resumed.run(STEPS, store=tmp_path / "run.pt", progress=False)
    for one, other in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert resumed.history.batch_loss.identical(whole.history.batch_loss)


def test_a_loaded_checkpoint_drops_what_was_captured(tmp_path):
    trainer = make_trainer()
    trainer.run(6, store=tmp_path / "run.pt", progress=False)
    graph = update.GraphedUpdate(trainer._eager)
    trainer._update = graph
    trainer.load(tmp_path / "run.pt")
    assert trainer._update is not graph


def test_the_images_are_summed_up_only_for_a_checkpoint(monkeypatch):
    sums, training = [], pytest.importorskip("minidyn.torch.training")
    fingerprint = training._fingerprint
    monkeypatch.setattr(training, "_fingerprint", lambda images: sums.append(images) or fingerprint(images))
    trainer = make_trainer()
    trainer.run(2, progress=False)
    assert sums == []
    assert trainer.settings["train"][0] == 35


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("mixed_precision", [False, True])
def test_a_graph_agrees_with_the_eager_path(mixed_precision):
    trainers = [make_trainer(device="cuda", mixed_precision=mixed_precision) for _ in range(2)]
    trainers[1]._update = trainers[1]._eager
    for trainer in trainers:
        trainer.run(STEPS, progress=False)
    assert trainers[0]._update.replay is not None
    tolerance = 2e-2 if mixed_precision else 1e-4
    for name in ("batch_loss", "static_loss"):
        ours, eager = (trainer.history[name] for trainer in trainers)
        assert float(abs(ours / eager - 1).max()) < tolerance
