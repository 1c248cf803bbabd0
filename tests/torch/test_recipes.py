"""The recipes of the book, run from their page: each where its library is installed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minidyn as md

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
jupytext = pytest.importorskip("jupytext", reason="jupytext reads the page")
nn, F = torch.nn, torch.nn.functional

PAGE = Path(md.__file__).parents[1] / "book" / "scale" / "recipes.md"


def cells():
    """The code of each recipe on the page, by the tag of its cell."""
    if not PAGE.exists():
        pytest.skip("the book is not here")
    notebook = jupytext.reads(PAGE.read_text(encoding="utf-8"), fmt="md:myst")
    return {
        tag.removeprefix("recipe-"): cell.source
        for cell in notebook.cells
        for tag in cell.metadata.get("tags", [])
        if tag.startswith("recipe-")
    }


def recipe(name):
    """What a recipe defines, with what the setup of the page defines."""
    namespace = {"__name__": f"recipe_{name}"}
    for part in ("setup", name):
        exec(compile(cells()[part], f"{PAGE.name}: {part}", "exec"), namespace)
    return SimpleNamespace(**namespace)


def criterion(**options):
    return mt.DynamicalCrossEntropyLoss(10, 6, 3, **options)


def weights(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach()


def trained_in_whole_batches(setup, updates, accumulate):
    """The plain loop, with the batches of an update as one batch."""
    model, loss = setup.network(), criterion()
    optimizer, pieces = torch.optim.SGD(model.parameters(), lr=0.1), setup.batches(updates * accumulate)
    for update in range(updates):
        x, y = (torch.cat(part) for part in zip(*pieces[accumulate * update :][:accumulate], strict=True))
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        loss.step()
    return weights(model)


def test_each_recipe_of_the_page_is_tested_here():
    text = Path(__file__).read_text(encoding="utf-8")
    assert len(cells()) == 10
    assert [name for name in cells() if name != "setup" and f'recipe("{name}")' not in text and name != "ddp"] == []


def test_accumulated_gradients_are_those_of_the_whole_batch():
    page = recipe("accumulation")
    model, loss = page.network(), criterion()
    seen = page.accumulating(model, loss, page.batches(9))
    assert int(loss.clock) == 3
    np.testing.assert_allclose(seen, np.repeat(md.Oscillation(10, 6, 3).weights([0, 1, 2])[:, 0], 3))
    torch.testing.assert_close(weights(model), trained_in_whole_batches(page, 3, 3), rtol=1e-5, atol=1e-6)


def test_the_clock_waits_for_an_update_that_the_scaler_skips(monkeypatch):
    page, updates = recipe("amp"), []
    step = torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda *arguments: (updates.append(1), step(*arguments))[1])
    loss, batches = criterion(), page.batches(9)
    batches[4] = (batches[4][0] * 3e4, batches[4][1])
    page.scaled(page.network(), loss, batches)
    assert 0 < len(updates) < 9
    assert int(loss.clock) == len(updates)


MAIN = """
import sys
model, criterion = distributed()
state = {"weights": nn.utils.parameters_to_vector(model.parameters()).detach(), "clock": criterion.clock}
torch.save(state, sys.argv[1])
"""


@pytest.mark.slow
def test_two_processes_follow_one(tmp_path):
    if not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
        pytest.skip("this PyTorch has no gloo")
    script = tmp_path / "train.py"
    script.write_text("\n".join([cells()["setup"], cells()["ddp"], MAIN]), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    paths = os.pathsep.join([str(PAGE.parents[2]), os.environ.get("PYTHONPATH", "")])
    shared = {**os.environ, "PYTHONPATH": paths, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, script, tmp_path / f"{rank}.pt"],
            env={
                **shared,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "GLOO_SOCKET_IFNAME": "lo",
                "OMP_NUM_THREADS": "1",
            },
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=180)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    wanted = trained_in_whole_batches(recipe("accumulation"), 9, 1)
    for rank in range(2):
        state = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert int(state["clock"]) == 9
        torch.testing.assert_close(state["weights"], wanted, rtol=1e-4, atol=1e-5)


def loader(batches):
    return torch.utils.data.DataLoader(batches, batch_size=None)


@pytest.fixture
def lightning():
    return pytest.importorskip("lightning", reason="Lightning is not installed")


@pytest.mark.filterwarnings("ignore")
def test_lightning_ticks_per_update_and_the_obvious_hook_per_batch(lightning, tmp_path):
    page = recipe("lightning")

    class PerBatch(page.Classifier):
        optimizer_step = lightning.LightningModule.optimizer_step

        def on_train_batch_end(self, *arguments):
            self.criterion.step()

    clocks, ends = [], []
    for kind in (page.Classifier, PerBatch):
        module = kind()
        trainer = lightning.Trainer(
            max_epochs=1, accumulate_grad_batches=3, accelerator="cpu", logger=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=tmp_path, enable_checkpointing=False,
        )  # fmt: skip
        trainer.fit(module, loader(page.batches(9)), loader(page.batches(2)))
        assert trainer.global_step == 3
        clocks.append(int(module.criterion.clock))
        ends.append(weights(module.model))
    assert clocks == [3, 9]
    torch.testing.assert_close(ends[0], trained_in_whole_batches(page, 3, 3), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(ends[0], ends[1], rtol=1e-3)


@pytest.mark.filterwarnings("ignore")
def test_lightning_validates_with_the_static_loss_and_saves_the_clock(lightning, tmp_path):
    page = recipe("lightning")
    module, batches = page.Classifier(), page.batches(4)
    options = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(max_epochs=1, default_root_dir=tmp_path, **options)
    trainer.fit(module, loader(batches), loader(batches))
    static = np.mean([F.cross_entropy(module.model(x), y).item() for x, y in batches])
    assert float(trainer.callback_metrics["static_loss"]) == pytest.approx(static, rel=1e-5)
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    again = page.Classifier()
    further = lightning.Trainer(max_epochs=2, default_root_dir=tmp_path, **options)
    further.fit(again, loader(batches), loader(batches), ckpt_path=tmp_path / "end.ckpt")
    assert int(module.criterion.clock) == 4
    assert int(again.criterion.clock) == 8


@pytest.mark.filterwarnings("ignore")
def test_the_trainer_of_hugging_face_follows_the_plain_loop_and_resumes_its_clock(tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed, which the Trainer needs")
    page = recipe("transformers")

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = page.network()

        def forward(self, x, labels=None):
            return transformers.modeling_outputs.SequenceClassifierOutput(logits=self.net(x))

    class InOrder(transformers.Trainer):
        def _get_train_sampler(self, *arguments):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    rows = [{"x": x, "labels": y} for batch in page.batches(9) for x, y in zip(*batch, strict=True)]

    def trainer(updates):
        model = Model()
        arguments = transformers.TrainingArguments(
            str(tmp_path), per_device_train_batch_size=6, gradient_accumulation_steps=3, max_steps=updates,
            max_grad_norm=0.0, use_cpu=True, report_to=[], save_steps=1, disable_tqdm=True,
        )  # fmt: skip
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1)
        return InOrder(
            model, arguments, train_dataset=rows, eval_dataset=rows[:12], optimizers=(optimizer, schedule),
            compute_loss_func=page.compute_loss, callbacks=[page.Clock()],
        )  # fmt: skip

    whole = trainer(3)
    whole.train()
    assert int(page.criterion.clock) == 3
    torch.testing.assert_close(weights(whole.model), trained_in_whole_batches(page, 3, 3), rtol=1e-5, atol=1e-6)
    static = F.cross_entropy(
        whole.model.net(torch.stack([row["x"] for row in rows[:12]])), torch.stack([row["labels"] for row in rows[:12]])
    )
    assert whole.evaluate()["eval_loss"] == pytest.approx(static.item(), rel=1e-5)
    resumed = trainer(3)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert int(page.criterion.clock) == 3
    torch.testing.assert_close(weights(resumed.model), weights(whole.model), rtol=1e-5, atol=1e-6)


def test_unlabelled_pixels_have_no_gradient():
    page = recipe("segmentation")
    logits = page.model(page.images).detach().requires_grad_()
    value = page.criterion(logits, page.masks)
    assert float(value.detach()) == pytest.approx(page.loss.item())
    (slope,) = torch.autograd.grad(value, logits)
    ignored = (page.masks == 255)[:, None].expand_as(slope)
    assert (slope[ignored] == 0).all()
    assert (slope[~ignored] != 0).all()
    gamma = page.criterion.get_last_weights().float()
    wanted = F.cross_entropy(logits, page.masks, gamma, ignore_index=255, reduction="sum") / (page.masks != 255).sum()
    torch.testing.assert_close(value, wanted)


def test_class_weights_multiply_gamma():
    page = recipe("weights")
    logits = torch.randn(len(page.labels), 3)
    gamma = page.criterion.get_last_weights().float()
    assert gamma.max() > 2
    wanted = F.cross_entropy(logits, page.labels, page.weight * gamma, reduction="sum")
    torch.testing.assert_close(page.criterion(logits, page.labels), wanted / page.weight[page.labels].sum())


def test_evaluation_is_static_and_leaves_the_modes_and_the_clock():
    page = recipe("evaluation")
    model, loss, batches = page.network(), criterion(start=3), [*page.batches(3), *page.batches(1, size=3)]
    x, y = (torch.cat(part) for part in zip(*batches, strict=True))
    assert page.evaluate(model, loss, batches) == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-5)
    assert model.training
    assert loss.training
    assert int(loss.clock) == 3


def test_the_logged_weights_are_those_in_force(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    page = recipe("tensorboard")
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    writer, loss = page.SummaryWriter(tmp_path), criterion()
    for _ in range(8):
        page.log_weights(writer, loss)
        loss.step()
    writer.close()
    reader = events.EventAccumulator(str(tmp_path))
    reader.Reload()
    for c in range(3):
        scalars = reader.Scalars(f"gamma/class {c}")
        assert [scalar.step for scalar in scalars] == list(range(8))
        wanted = md.Oscillation(10, 6, 3).weights(np.arange(8))[:, c]
        np.testing.assert_allclose([scalar.value for scalar in scalars], wanted, rtol=1e-6)
