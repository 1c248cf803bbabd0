"""Trains on a few digits with a checkpoint every 10 updates, and kills itself: python killed_worker.py WHERE FILE.

WHERE is "between" two checkpoints (after update 37) or "writing" the one of update 30. Started by
test_training.py, which also imports `make_trainer`.
"""

from __future__ import annotations

import os
import signal
import sys

import torch

import minidyn.torch as mt

STEPS, INTERVAL = 45, 10


def make_trainer(**changed):
    train, validation = mt.digits(train_size=30)
    loss = mt.DynamicalCrossEntropyLoss(amplitude=5, period=4, num_classes=10)
    options = {"validation": validation, "batch_size": 8, "measure_every": 15, "learning_rate": 0.02, **changed}
    return mt.Trainer(mt.Myrtle5(1, width=3, seed=2), train, loss, **options)


def main(where, file):
    torch.set_num_threads(1)
    trainer, save = make_trainer(), torch.save

    def save_half(state, path):
        if state["done"] == 30:
            path.write_bytes(b"half a file")
            os.kill(os.getpid(), signal.SIGKILL)
        save(state, path)

    def step():
        type(trainer.loss).step(trainer.loss)
        if int(trainer.loss.clock) == 37:
            os.kill(os.getpid(), signal.SIGKILL)

    if where == "writing":
        torch.save = save_half
    else:
        trainer.loss.step = step
    trainer.run(STEPS, store=file, checkpoint_every=INTERVAL, progress=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
