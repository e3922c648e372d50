"""U-Nets cut at both ends: what is kept computes what it did, nothing dead stays behind, and the costs are those."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from toy_networks import network
from ttl.cut.graph import walk
from ttl.cut.head import HEAD, PixelHead
from ttl.cut.joint_network import with_heads
from ttl.cut.points import UNetPoint, point_from_json, truncation_points
from ttl.cut.truncation import truncate
from ttl.errors import ModelError, PointError, RunFolderError, UsageError, WeightsError
from ttl.networks import load_backbone

ENCODERS = ("resnet18", "mobilenet_v2", "densenet121", "efficientnet-b0", "vgg11_bn", "tu-convnext_atto")
SIDE = 64


@cache
def unet(encoder: str, classes: int = 1) -> nn.Module:
    """A U-Net with random weights, and with running statistics that aren't 0 and 1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = smp.Unet(encoder, encoder_weights=None, classes=classes)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -0.1, 0.1)
                nn.init.uniform_(module.running_var, 0.8, 1.2)
    return model.eval()


@cache
def points(encoder: str) -> tuple[UNetPoint, ...]:
    found = truncation_points(unet(encoder), image_size=SIDE)
    assert all(isinstance(point, UNetPoint) for point in found)
    return tuple(point for point in found if isinstance(point, UNetPoint))


def sample(encoder: str) -> list[UNetPoint]:
    """The lowest and the highest point, one inside each stage, and each stage's end."""
    found = points(encoder)
    inside = {point.stage: point for point in reversed(found) if not point.is_stage_end}
    ends = [point for point in found if point.is_stage_end]
    return sorted({found[0], *inside.values(), *ends, found[-1]}, key=lambda point: point.index)


def images(height: int = SIDE, width: int = 2 * SIDE) -> torch.Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_uncut_point_is_the_whole_unet_bit_for_bit(encoder: str) -> None:
    model = unet(encoder)
    whole = truncate(model, points(encoder)[-1], num_classes=1).eval()
    with torch.no_grad():
        assert torch.equal(whole(images()), model(images()))
    # What smp's own encoders leave behind unused (EfficientNet's last convolution) isn't taken along.
    dead = set(model.state_dict()) - set(whole.state_dict())
    assert {name.split(".")[1] for name in dead} <= {"_conv_head", "_bn1"}
    assert points(encoder)[-1].enters is None


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_cut_costs_what_its_table_says_keeps_its_weights_and_holds_nothing_dead(encoder: str) -> None:
    model = unet(encoder)
    before = copy.deepcopy(model.state_dict())
    for point in sample(encoder):
        small = truncate(model, point, num_classes=1)
        ops = walk(small, image_size=SIDE).ops
        assert sum(op.macs for op in ops if "segmentation_head" not in op.modules) == point.macs
        inside = [name for name, _ in small.named_parameters() if not name.startswith("segmentation_head.")]
        assert sum(small.get_parameter(name).numel() for name in inside) == point.params
        encoder_params = sum(p.numel() for name, p in small.named_parameters() if name.startswith("encoder."))
        assert encoder_params == point.encoder_params
        changed = {name for name, value in small.state_dict().items() if not torch.equal(value, before[name])}
        assert changed == ({f"{point.entry}.weight"} if point.entry_is_new else set())
        assert small.get_submodule(point.entry).in_channels == point.entry_channels
        small.train()(images(width=SIDE)).square().mean().backward()
        assert [name for name, p in small.named_parameters() if p.grad is None] == []
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Spy:
    """What a module was given or returned, by the model that it ran in."""

    def __init__(self, model: nn.Module, path: str) -> None:
        self.seen: list[torch.Tensor] = []
        model.get_submodule(path).register_forward_hook(lambda *call: self.seen.append(call[2].clone()))


def test_the_encoder_computes_at_the_cut_what_the_whole_one_does() -> None:
    model = copy.deepcopy(unet("resnet18"))
    for point in sample("resnet18"):
        small = truncate(model, point, num_classes=1).eval()
        # The last module of a residual block that both networks run; its ReLU's second call ends it.
        path = point.name if point.name.endswith("maxpool") else f"{point.name}.relu"
        spies = [Spy(network, path) for network in (model, small)]
        with torch.no_grad():
            model(images())
            small(images())
        assert torch.equal(spies[0].seen[-1], spies[1].seen[-1])


def test_all_blocks_of_resnet34_are_points_and_the_skips_left_are_those_below() -> None:
    found = points("resnet34")
    blocks = [f"encoder.layer{stage}.{i}" for stage, n in enumerate((3, 4, 6, 3), start=1) for i in range(n)]
    assert [point.name for point in found] == ["encoder.maxpool", *blocks]
    assert {point.reduction: len(point.skips) for point in found} == {4: 1, 8: 2, 16: 3, 32: 4}
    assert {point.reduction: point.enters for point in found[:-1]} == {4: 3, 8: 2, 16: 1, 32: 0}
    assert not any(point.entry_is_new for point in found)  # 64, 128 and 256 channels are what the stages had


def test_the_decoder_stages_of_what_is_removed_are_gone() -> None:
    at = {point.name: point for point in points("mobilenet_v2")}
    small = truncate(unet("mobilenet_v2"), at["encoder.features.5"], num_classes=1)
    stages = {name.split(".")[2] for name in small.state_dict() if name.startswith("decoder.blocks.")}
    assert stages == {"2", "3", "4"}
    assert at["encoder.features.5"].entry == "decoder.blocks.2.conv1.0"
    assert (at["encoder.features.5"].entry_channels, at["encoder.features.5"].entry_is_new) == (32 + 24, True)


@pytest.mark.parametrize(("name", "height", "width"), [("encoder.layer1.0", 20, 36), ("encoder.layer2.1", 24, 40)])
def test_sides_need_only_be_multiples_of_what_the_kept_depth_halves(name: str, height: int, width: int) -> None:
    point = next(point for point in points("resnet18") if point.name == name)
    small = truncate(unet("resnet18"), point, num_classes=1).eval()
    assert height % point.reduction == 0
    assert small(images(height, width)).shape == (2, 1, height, width)


def test_a_new_number_of_classes_gets_a_new_last_convolution_by_its_seed() -> None:
    model, point = unet("resnet18"), points("resnet18")[3]
    state = torch.random.get_rng_state()
    heads = [truncate(model, point, num_classes=3, seed=s).segmentation_head.get_submodule("0") for s in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert heads[0].weight.shape[0] == 3
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert not torch.equal(heads[0].weight, heads[2].weight)


def test_vgg_keeps_its_last_pooling_as_the_whole_network_and_no_point_at_full_resolution() -> None:
    found = points("vgg11_bn")
    assert [point.reduction for point in found][-1] == 32
    assert min(point.reduction for point in found) == 2
    assert found[-1].name == "encoder.features.28"


def test_a_point_survives_json_also_that_of_version_0_1() -> None:
    for point in (points("resnet18")[3], truncation_points(nn.Sequential(nn.Conv2d(3, 4, 3)), image_size=32)[0]):
        content = json.loads(json.dumps(asdict(point)))
        again = point_from_json(content, where="a file")
        assert (again, type(again)) == (point, type(point))
        old = {key: value for key, value in content.items() if key != "sides"} | {"image_size": point.sides[0]}
        assert point_from_json(old, where="a file") == point


def test_the_table_shows_the_encoders_share() -> None:
    lines = repr(truncation_points(unet("resnet18"), image_size=SIDE)).splitlines()
    assert lines[0].endswith("params     MACs (of the encoder: params     MACs)")
    assert lines[9].split()[-2:] == ["11.177M", "0.148G"]
    assert "the encoder up to there and the decoder left to it" in lines[10]


def test_a_point_of_another_unet_is_refused() -> None:
    with pytest.raises(PointError, match=r"isn't one of this Unet's"):
        truncate(unet("resnet18"), points("mobilenet_v2")[3], num_classes=1)


def test_without_a_head_it_is_the_encoder_up_to_the_point() -> None:
    point = points("resnet18")[3]
    below = truncate(unet("resnet18"), point, num_classes=None)
    assert below(images()).shape == (2, point.channels, SIDE // point.reduction, 2 * SIDE // point.reduction)
    assert all(name.startswith("encoder.") for name in below.state_dict())


@pytest.mark.parametrize("encoder", ["resnet18", "densenet121", "tu-convnext_atto"])
def test_pixel_heads_see_the_cut_and_every_skip_below_it(encoder: str) -> None:
    model, some = unet(encoder), sample(encoder)
    joint = with_heads(model, some, num_classes=3).eval()
    assert not any(name.startswith("decoder.") for name in joint.state_dict())
    with torch.no_grad():
        found = joint(images())
    assert found.shape == (2, len(some), 3, SIDE, 2 * SIDE)
    for number, point in enumerate(some):
        head = joint.get_submodule(f"{HEAD}.{number}")
        assert isinstance(head, PixelHead)
        widths = [part.weight.shape[1] for part in head.parts]
        assert sum(widths) == point.channels + sum(point.skip_channels)
    joint.train()(images()).square().mean().backward()
    assert [name for name, p in joint.named_parameters() if p.grad is None] == []


def test_a_pixel_head_is_a_linear_classifier_of_enlarged_maps() -> None:
    head = PixelHead((2, 0, 3), 1)
    weight, bias = torch.tensor([[1.0, -2.0, 0.5, 3.0, -1.0]]), torch.tensor([0.25])
    head.load(weight, bias)
    maps = [torch.randn(1, 2, 2, 2), torch.empty(1, 0, 4, 4), torch.randn(1, 3, 4, 4)]
    image = torch.zeros(1, 3, 8, 8)
    enlarged = [nn.functional.interpolate(m, size=(8, 8), mode="bilinear") for m in (maps[0], maps[2])]
    expected = torch.einsum("oc,nchw->nohw", weight, torch.cat(enlarged, 1)) + 0.25
    torch.testing.assert_close(head(maps, image), expected)


def test_the_zoo_builds_on_smp_and_timm_encoders_and_names_near_ones() -> None:
    assert load_backbone("unet:resnet18", weights="none").spec.image_size == 256
    assert load_backbone("unet:resnet10t", weights="none").model.encoder.name == "resnet10t"
    assert load_backbone("unet:inceptionv4", weights="none").spec.mean == (0.5, 0.5, 0.5)
    with pytest.raises(ModelError, match=r"no encoder 'rasnet18' .* did you mean unet:resnet18"):
        load_backbone("unet:rasnet18", weights="none")
    with pytest.raises(ModelError, match=r"No U-Net can be built on vit_tiny_patch16_224 \(.*\): it needs"):
        load_backbone("unet:vit_tiny_patch16_224", weights="none")
    with pytest.raises(UsageError, match=r"--image-size is 100, .* give a multiple of 32, such as 96"):
        load_backbone("unet:resnet18", weights="none", image_size=100)


def test_weights_are_a_classifiers_body_or_a_whole_unet(tmp_path: Path) -> None:
    body = {k: v for k, v in network("tv:resnet18").state_dict().items() if not k.startswith("layer4")}
    torch.save(body, tmp_path / "body.pth")
    found = load_backbone("unet:resnet18", weights=tmp_path / "body.pth")
    assert torch.equal(found.model.encoder.conv1.weight, body["conv1.weight"])
    summary = found.weights.summary()
    assert "start at random: encoder.layer4 (25 tensors), decoder (50), segmentation_head (2)" in summary
    marked = truncation_points(found.model, image_size=64, missing=found.weights.missing)
    assert [p.name for p in marked if not p.is_within_weights] == ["encoder.layer4.0", "encoder.layer4.1"]

    torch.save(network("convnext_atto").state_dict(), tmp_path / "timm.pth")
    of_timm = load_backbone("unet:convnext_atto", weights=tmp_path / "timm.pth")
    assert {name.partition(".")[0] for name in of_timm.weights.missing} == {"decoder", "segmentation_head"}

    torch.save(unet("resnet18", 4).state_dict(), tmp_path / "whole.pth")
    whole = load_backbone("unet:resnet18", weights=tmp_path / "whole.pth")
    assert whole.weights.missing == ()
    kept = truncate(whole.model, truncation_points(whole.model, image_size=64)[-1], num_classes=4).eval()
    with torch.no_grad():
        assert torch.equal(kept(images()), unet("resnet18", 4)(images()))

    with pytest.raises(WeightsError, match=r"don't fit unet:mobilenet_v2"):
        load_backbone("unet:mobilenet_v2", weights=tmp_path / "whole.pth")


def test_what_is_no_point_is_named() -> None:
    with pytest.raises(RunFolderError, match=r"^run/bundle.json can't be trusted: the field \w+ is missing"):
        point_from_json({"index": 1}, where="run/bundle.json")
