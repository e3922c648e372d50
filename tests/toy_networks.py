"""Toy networks whose points are known by heart, and a maker of real ones without weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import timm
import torch
import torchvision
from timm.layers import BatchNormAct2d
from timm.models.densenet import DenseNet
from timm.models.regnet import RegNet, RegNetCfg
from timm.models.resnetv2 import ResNetV2
from torch import nn
from torch.nn import functional as F

SMALL: dict[str, Callable[[], nn.Module]] = {
    "small:densenet": partial(DenseNet, growth_rate=8, block_config=(2, 3, 2)),
    "small:tv-densenet": partial(torchvision.models.DenseNet, 8, (2, 3, 2), 16),
    "small:resnetv2": partial(
        ResNetV2, layers=(1, 2, 2), channels=(32, 64, 64), stem_chs=16, norm_layer=BatchNormAct2d
    ),
    "small:regnet": lambda: RegNet(RegNetCfg(depth=8, w0=24, wa=36.44, wm=2.49, group_size=8, se_ratio=0.25)),
    "small:tv-mobilenet_v2": partial(
        torchvision.models.MobileNetV2,
        inverted_residual_setting=[[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 2, 2], [6, 64, 2, 2]],
    ),
    "small:tv-shufflenet": partial(torchvision.models.ShuffleNetV2, [2, 3, 2], [24, 48, 96, 192, 256]),
}
"""Networks of the zoo's own classes, with fewer blocks than any of the zoo's."""


def network(name: str, **options: Any) -> nn.Module:
    """A network of the zoo, or of `SMALL`, with random weights, and with running statistics that aren't 0 and 1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name in SMALL:
            model = SMALL[name](**options)
        elif name.startswith("tv:"):
            model = torchvision.models.get_model(name[3:], weights=None, **options)
        else:
            model = timm.create_model(name, pretrained=False, **options)
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                nn.init.uniform_(module.running_mean, -0.1, 0.1)
                nn.init.uniform_(module.running_var, 0.8, 1.2)
    return model


class Residual(nn.Module):
    def __init__(self, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.pool(x) + self.conv2(F.relu(self.bn1(self.conv1(x)))))


class TinyResNet(nn.Module):
    """Stem (stride 2), two stages of two residual blocks, a linear classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.stage1 = nn.Sequential(Residual(8), Residual(8))
        self.stage2 = nn.Sequential(Residual(8, stride=2), Residual(8))
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stage2(self.stage1(self.stem(x)))
        return self.fc(self.dropout(x.mean((2, 3))))


class DenseLayer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, 8, 1)
        self.conv2 = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, earlier: list[torch.Tensor]) -> torch.Tensor:
        return self.conv2(F.relu(self.conv1(torch.cat(earlier, 1))))


class DenseBlock(nn.ModuleDict):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__({f"layer{i + 1}": DenseLayer(width + 4 * i) for i in range(layers)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


class TinyDenseNet(nn.Module):
    """Stem, a dense block of three layers, a norm whose ReLU works in place on it, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.block = DenseBlock(8, 3)
        self.norm = nn.BatchNorm2d(20)
        self.fc = nn.Linear(20, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm(self.block(self.stem(x))), inplace=True)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class TwoRoads(nn.Module):
    """Blocks that keep two maps of different sizes alive: nowhere to cut between them."""

    def __init__(self) -> None:
        super().__init__()
        self.high = nn.ModuleList([Residual(3), Residual(3)])
        self.low = nn.ModuleList([Residual(3), Residual(3)])
        self.fc = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.avg_pool2d(x, 2)
        for high, low in zip(self.high, self.low, strict=True):
            x, y = high(x), low(y)
        return self.fc((x + F.interpolate(y, scale_factor=2)).mean((2, 3)))


class Branching(nn.Module):
    """A block whose control flow depends on sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-1] > 4:
            return self.conv2(self.conv(x))
        return self.conv(x)


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 3, 3, padding=1)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv2(F.relu(self.conv1(x)))


class Encoder(nn.Module):
    """Three blocks, and control flow that depends on sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Plain(), Plain(), Plain()])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-1] < 4:
            x = F.interpolate(x, size=(4, 4))
        for block in self.blocks:
            x = block(x)
        return x


class Cells(nn.Module):
    """Each cell reads the two cells before it, as NASNet's do."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.cells = nn.ModuleList([Cell(), Cell(), Cell()])
        self.fc = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = now = self.stem(x)
        for cell in self.cells:
            before, now = now, cell(now, before)
        return self.fc(now.mean((2, 3)))


class Cell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(4, 4, 1)
        self.right = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, now: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        return self.left(before) + self.right(now)


class Stubborn(nn.Module):
    """Control flow that depends on the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) if x.mean() > 0 else x
