"""Batches and outputs by name, as Hugging Face's models take and return them, measured as tensors are."""

from __future__ import annotations

from collections import OrderedDict, UserDict

import numpy as np
import pytest

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
nn, F = torch.nn, torch.nn.functional


class Output(OrderedDict):
    """Answers by name and by attribute, and leaves out what is None: a stand-in for transformers' ModelOutput."""

    def __getattr__(self, name):
        return self.get(name)


class Encoding(UserDict):
    """A mapping that is no dict: a stand-in for transformers' BatchEncoding."""


class Classifier(nn.Module):
    """The mean embedding of the tokens that a mask leaves, and a linear layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.head = nn.Embedding(11, 4), nn.Linear(4, 3)

    def forward(self, input_ids, attention_mask):
        mask = attention_mask[..., None].to(self.head.weight.dtype)
        pooled = (self.embedding(input_ids) * mask).sum(1) / mask.sum(1)
        return Output(logits=self.head(torch.tanh(pooled)), cache=object())


class Positional(nn.Module):
    """The same model, as a function of one tensor to one tensor."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, both):
        return self.net(both[..., 0], both[..., 1]).logits


NET = Classifier().double()
RANDOM = torch.Generator().manual_seed(1)
IDS, LABELS = torch.randint(11, (9, 5), generator=RANDOM), torch.arange(9) % 3
MASK = torch.ones(9, 5, dtype=torch.int64)
MASK[:4, 3:] = 0
BOTH = torch.stack([IDS, MASK], -1)
INPUTS = {"input_ids": IDS, "attention_mask": MASK}


def rows(inputs, part):
    return {name: tensor[part] for name, tensor in inputs.items()}


FORMS = {
    "inputs by name": (INPUTS, LABELS),
    "all by name": {**INPUTS, "labels": LABELS},
    "all by name, no dict": Encoding({**INPUTS, "labels": LABELS}),
    "batches by name": [Encoding({**rows(INPUTS, part), "labels": LABELS[part]}) for part in (slice(4), slice(4, 9))],
    "pairs": [(rows(INPUTS, part), LABELS[part]) for part in (slice(2), slice(2, 9))],
}
LOSSES = {
    "of torch": nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 5.0])),
    "of this package": mt.DynamicalCrossEntropyLoss(10, 8, 3, start=3),
    "a function of torch": F.cross_entropy,
    "a mean over what the model returns": lambda outputs, y: F.cross_entropy(outputs.logits, y),
    "a sum over what the model returns": lambda outputs, y: F.cross_entropy(outputs["logits"], y, reduction="sum"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_sharpness_is_that_of_the_same_model_on_tensors(form, loss):
    loss, plain = LOSSES[loss], LOSSES[loss]
    if not isinstance(loss, nn.Module) and loss is not F.cross_entropy:
        plain = lambda outputs, y: loss(Output(logits=outputs), y)  # noqa: E731
    wanted = mt.top_eigenvalues(Positional(NET), (BOTH, LABELS), plain, k=3)
    spectrum = mt.top_eigenvalues(NET, FORMS[form], loss, k=3)
    np.testing.assert_allclose(spectrum.values, wanted.values, rtol=1e-9)


def test_a_valley_and_a_kernel_are_those_of_the_same_model_on_tensors():
    loss = nn.CrossEntropyLoss()
    options = {"learning_rate": 0.1, "direction": np.arange(1.0, 60.0)}
    cut = mt.valley_slice(NET, FORMS["batches by name"], loss, **options)
    wanted = mt.valley_slice(Positional(NET), (BOTH, LABELS), loss, **options)
    np.testing.assert_allclose(cut.force([-0.2, 0.3]), wanted.force([-0.2, 0.3]), rtol=1e-9)
    kernel = mt.empirical_ntk(NET, Encoding(INPUTS), rows(INPUTS, slice(2)))
    torch.testing.assert_close(kernel, mt.empirical_ntk(Positional(NET), BOTH, BOTH[:2]))


def test_a_loss_of_torch_and_outputs_without_logits_are_named():
    class Hidden(nn.Linear):
        def forward(self, x):
            return {"hidden": super().forward(x)}

    with pytest.raises(TypeError, match=r"model must return a tensor, or a mapping with .* got dict of 'hidden'"):
        mt.top_eigenvalues(Hidden(4, 3), (torch.randn(9, 4), LABELS), nn.CrossEntropyLoss())
    spectrum = mt.top_eigenvalues(
        Hidden(4, 3), (torch.randn(9, 4), LABELS), lambda outputs, y: F.cross_entropy(outputs["hidden"], y)
    )
    assert spectrum.converged
