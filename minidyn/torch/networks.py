"""Myrtle5, the convolutional network that "Tilting the playing field" trains on CIFAR-10."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from minidyn import _checks as check


class Myrtle5(nn.Module):
    """Four 3 x 3 convolutions with ReLU and 2 x 2 average pooling, then a linear layer: five layers with weights.

    Convolution, convolution, pooling, convolution, pooling, convolution, mean over the pixels that are left, linear.
    On 32 x 32 images the mean is over 8 x 8 pixels, that is three poolings in a row.

    Parameters
    ----------
    in_channels : int
        Colours of the images: 3 for CIFAR-10, 1 for the digits.
    num_classes : int
    width : int
        Channels of each convolution.
    seed : int
        Of `numpy.random.RandomState`, from which the weights are drawn in order: N(0, 2/fan_in), biases 0. The same on
        every device and in every version of PyTorch.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an integer in its range; on call, if the images are smaller than 4 x 4.

    Notes
    -----
    Source: Shankar, Fang, Guo, Fridovich-Keil, Ragan-Kelley, Schmidt & Recht, "Neural kernels without tangents" (ICML
    2020), whose networks have only 3 x 3 convolutions, 2 x 2 average pooling and ReLU; the arrangement of the layers
    is that of the Myrtle networks of `neural-tangents` (there in the NTK parametrisation, here in the standard one).
    Which width and which training recipe "Tilting the playing field" used could not be read.

    Examples
    --------
    >>> import torch
    >>> from minidyn.torch import Myrtle5
    >>> net = Myrtle5(seed=1)
    >>> net(torch.zeros(2, 3, 32, 32)).shape, sum(p.numel() for p in net.parameters())
    (torch.Size([2, 10]), 113226)
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 10, *, width: int = 64, seed: int = 0):
        super().__init__()
        in_channels = check.integer("in_channels", in_channels, least=1)
        num_classes = check.integer("num_classes", num_classes, least=2)
        width = check.integer("width", width, least=1)

        def block(inputs: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]

        pool = nn.AvgPool2d(2)
        self.features = nn.Sequential(*block(in_channels), *block(width), pool, *block(width), pool, *block(width))
        self.classifier = nn.Linear(width, num_classes)
        self._init(check.integer("seed", seed, least=0, most=2**32 - 1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes) of images (N, channels, height, width)."""
        if images.ndim != 4 or min(images.shape[2:]) < 4:
            raise ValueError(f"images must be (N, channels, >= 4, >= 4), got {tuple(images.shape)}")
        return self.classifier(self.features(images).mean(dim=(2, 3)))

    @torch.no_grad()
    def _init(self, seed: int) -> None:
        random = np.random.RandomState(seed)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                draw = random.randn(*layer.weight.shape) * np.sqrt(2 / layer.weight[0].numel())
                layer.weight.copy_(torch.from_numpy(draw))
                assert layer.bias is not None
                layer.bias.zero_()
