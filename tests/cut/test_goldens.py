"""Points, params and MACs of twelve networks and a U-Net, pinned. To pin anew: python tests/cut/test_goldens.py"""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn

from ttl.cut.points import TruncationPoint, TruncationPoints, UNetPoint, truncation_points

GOLDENS = Path(__file__).parent / "goldens"
NETWORKS = (
    "resnet50",
    "densenet121",
    "densenet201",
    "efficientnet_b0",
    "efficientnet_b3",
    "inception_v3",
    "resnetv2_50",
    "regnety_016",
    "convnext_tiny",
    "mobilenetv3_large_100",
    "vgg16_bn",
    "hrnet_w18",
)
UNETS = ("unet:resnet34",)


@cache
def shapes_of(name: str) -> nn.Module:
    """The network without its weights: points, params and MACs need none."""
    with torch.device("meta"):
        return smp.Unet(name[5:], encoder_weights=None) if name in UNETS else timm.create_model(name)


@cache
def points_of(name: str) -> TruncationPoints:
    return truncation_points(shapes_of(name), image_size=224)


def table(name: str) -> list[str]:
    """A line a point: name, stage (* its end), channels, stride, params, MACs; of a U-Net, the encoder's share."""
    return [
        f"{p.name} {p.stage}{'*' if p.is_stage_end else ''} {p.channels} {p.reduction} {p.params} {p.macs}{share(p)}"
        for p in points_of(name)
    ]


def share(point: TruncationPoint) -> str:
    return f" {point.encoder_params} {point.encoder_macs}" if isinstance(point, UNetPoint) else ""


def pinned(name: str) -> Path:
    return GOLDENS / f"{name.replace(':', '_')}.json"


@pytest.mark.parametrize("name", NETWORKS + UNETS)
def test_points_params_and_macs_are_as_pinned(name: str) -> None:
    assert table(name) == json.loads(pinned(name).read_text())


@pytest.mark.parametrize("name", NETWORKS)
def test_increments_sum_to_the_whole(name: str) -> None:
    model, points = shapes_of(name), points_of(name)
    increments = [points[0].params, *(above.params - below.params for below, above in pairwise(points))]
    assert all(increment >= 0 for increment in increments)
    classifier = sum(p.numel() for p in model.get_classifier().parameters())
    assert sum(increments) == sum(p.numel() for p in model.parameters()) - classifier


# Kanavati & Tsuneki 2021, Table 1, trainable BN parameters. Their InceptionV3 (34,432) can't agree: the batch norms
# of Keras' have no scale, timm's have one.
@pytest.mark.parametrize(
    ("name", "count"), [("densenet121", 83_648), ("efficientnet_b3", 87_296), ("resnetv2_50", 45_440)]
)
def test_trainable_batch_norm_parameters_are_the_papers(name: str, count: int) -> None:
    norms = [m for m in shapes_of(name).modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert sum(p.numel() for norm in norms for p in norm.parameters(recurse=False)) == count


if __name__ == "__main__":
    GOLDENS.mkdir(exist_ok=True)
    for network in NETWORKS + UNETS:
        pinned(network).write_text(json.dumps(table(network), indent=1) + "\n")
