"""Hugging Face models, where transformers is installed: by name, under fused attention, without gradients."""

from __future__ import annotations

import numpy as np
import pytest

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
nn = torch.nn


@pytest.fixture(scope="module")
def problem():
    """A small BERT with fused attention, in evaluation mode, and a batch of token sequences with padding."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=8, num_labels=3, attn_implementation="sdpa",
    )  # fmt: skip
    net = transformers.BertForSequenceClassification(config).eval().double()
    mask = torch.ones(6, 7, dtype=torch.int64)
    mask[:3, 5:] = 0
    batch = {"input_ids": torch.randint(1, 20, (6, 7)), "attention_mask": mask, "labels": torch.arange(6) % 3}
    return net, transformers.BatchEncoding(batch)


def hessian_times(net, batch, vector):
    """H v by differences of the gradient, which needs no second derivatives of attention."""
    params = list(net.parameters())
    pieces = [v.view_as(p) for v, p in zip(vector.split([p.numel() for p in params]), params, strict=True)]
    gradients = []
    for sign in (1, -1):
        with torch.no_grad():
            for p, v in zip(params, pieces, strict=True):
                p += sign * 1e-4 * v
        slopes = torch.autograd.grad(net(**batch).loss, params, allow_unused=True, materialize_grads=True)
        gradients.append(torch.cat([slope.flatten() for slope in slopes]))
        with torch.no_grad():
            for p, v in zip(params, pieces, strict=True):
                p -= sign * 1e-4 * v
    return (gradients[0] - gradients[1]) / 2e-4


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_the_sharpness_under_fused_attention_is_that_of_differences_of_gradients(problem, mode):
    net, batch = problem
    assert net.config._attn_implementation == "sdpa"
    with mode():
        spectrum = mt.top_eigenvalues(net, batch, nn.CrossEntropyLoss())
    assert spectrum.converged
    vector = torch.from_numpy(spectrum.vectors[:, 0])
    image = hessian_times(net, batch, vector)
    np.testing.assert_allclose(image, spectrum.values[0] * vector, atol=1e-4 * spectrum.values[0])


def test_the_kernel_is_that_of_explicit_gradients(problem):
    net, batch = problem
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    rows = []
    for output in net(**inputs).logits.flatten():
        slopes = torch.autograd.grad(
            output, list(net.parameters()), retain_graph=True, allow_unused=True, materialize_grads=True
        )
        rows.append(torch.cat([slope.flatten() for slope in slopes]))
    jacobian = torch.stack(rows)
    wanted = (jacobian @ jacobian.T).reshape(6, 3, 6, 3)
    torch.testing.assert_close(mt.empirical_ntk(net, inputs), wanted)
    few = {name: tensor[:2] for name, tensor in inputs.items()}
    torch.testing.assert_close(mt.empirical_ntk(net, few, inputs), wanted[:2])


class Plain(nn.Module):
    """A model of Hugging Face as a function of one tensor to one tensor."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, pixels):
        return self.net(pixel_values=pixels).logits


def test_a_vision_transformer_is_trained_by_name_as_it_is_on_tensors():
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=8, patch_size=4,
        num_channels=1, num_labels=3,
    )  # fmt: skip
    labels = torch.arange(12) % 3
    pixels = torch.randn(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    histories = []
    for inputs, wrap in (({"pixel_values": pixels}, lambda net: net), (pixels, lambda net: net), (pixels, Plain)):
        torch.manual_seed(0)
        net = wrap(transformers.ViTForImageClassification(config))
        loss = mt.DynamicalCrossEntropyLoss(3, 4, 3)
        trainer = mt.Trainer(net, mt.Images(inputs, labels, 3), loss, batch_size=6, learning_rate=0.01)
        histories.append(trainer.run(8, progress=False))
    for history in histories[:2]:
        np.testing.assert_allclose(history.batch_loss, histories[2].batch_loss, rtol=1e-5)
    assert float(histories[0].static_loss[-1]) != float(histories[0].static_loss[0])
