"""The NumPy engine: each update by itself, with the derivatives that the model and the loss define."""

from __future__ import annotations

import math

from numpy.typing import NDArray

from minidyn import derivatives
from minidyn.losses import accuracy
from minidyn.training.record import Record
from minidyn.training.settings import Settings
from minidyn.training.state import Evaluation, State


class NumpyEngine:
    """The engine for every problem."""

    chunk = 1

    def __init__(self, settings: Settings):
        self.settings = settings
        self.derivatives = derivatives.of(settings.net)

    def evaluate(self, state: State, record: Record) -> Evaluation:
        s, vector, done = self.settings, state.vector, state.done
        logits, pullback = self.derivatives.vjp(s.unflatten(vector), s.task.x)
        terms, output_gradient = s.loss.terms_and_gradient(logits, s.task.labels)
        class_loss = s.loss.sum_per_class(terms, s.task.labels, s.task.classes) / len(logits)
        record.write(done, class_loss, accuracy(logits, s.task.labels), self._validation_accuracy(vector))
        class_weights = record.weights_at(done)
        if s.batch_size is None:
            weight = s.loss.expand(class_weights, s.task.labels)
            gradient = pullback(weight * output_gradient / len(logits))
        else:
            gradient = self._batch_gradient(vector, done)
        return Evaluation(state, math.isfinite(class_weights @ class_loss), gradient)

    def advance(self, here: Evaluation, stop: int, record: Record) -> State:
        vector, done, _, moments, _ = here.state
        after = self.settings.optimizer.step(vector, here.gradient, moments, record.rates[done - record.first], done)
        return State(after.vector, done + 1, vector, after.moments, moments)

    def _batch_gradient(self, vector: NDArray, done: int) -> NDArray:
        s = self.settings
        batch = s.batch(done)
        logits, pullback = self.derivatives.vjp(s.unflatten(vector), s.task.x[batch])
        return pullback(s.loss.gradient(logits, s.task.labels[batch], s.start + done))

    def _validation_accuracy(self, vector: NDArray) -> float | None:
        s = self.settings
        if s.validation is None:
            return None
        return accuracy(s.net.logits(s.unflatten(vector), s.validation.x), s.validation.labels)
