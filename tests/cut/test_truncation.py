from __future__ import annotations

import pytest
import timm
import torch

from toy_networks import TinyDenseNet, TinyResNet, network
from ttl.cut.features import Features
from ttl.cut.head import Head
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate
from ttl.errors import PointError, UsageError

# Peng et al. 2023, supplement, Table 3: at 224 x 224 with two classes.
TABLE_3 = [
    ("resnet50", "layer3.5", "avg", 8.55e6, 3.30e9),
    ("densenet201", "features.transition2", "none", 1.53e6, 2.10e9),
    ("efficientnet_b0", "blocks.4.2", "none", 0.896e6, 0.257e9),
    ("resnet50", "layer4.2", "avg", 23.5e6, None),
    ("efficientnet_b0", "blocks.6.0", "none", 3.63e6, None),
]


@pytest.mark.parametrize(("model", "cut", "pool", "params", "macs"), TABLE_3)
def test_table_3_of_the_paper(model: str, cut: str, pool: str, params: float, macs: float | None) -> None:
    """By the points: that what `truncate` keeps has their params, test_contract.py shows of every family."""
    with torch.device("meta"):
        point = truncation_points(network(model))[cut]
        head = Head(point.shape, point.channel_axis, 2, pool=pool)
    assert float(f"{point.params + sum(p.numel() for p in head.parameters()):.3g}") == params
    assert macs is None or float(f"{point.macs:.3g}") == macs


def test_a_dense_cut_is_the_concatenation_that_the_next_layer_takes() -> None:
    model = TinyDenseNet().eval()
    image = torch.randn(2, 3, 16, 16)
    point = truncation_points(model, image_size=16)["block.layer2"]
    taken: list[torch.Tensor] = []
    hook = model.block["layer3"].register_forward_pre_hook(lambda _m, args: taken.append(torch.cat(args[0], 1)))
    with torch.no_grad():
        model(image)
        hook.remove()
        assert torch.equal(truncate(model, point, num_classes=None).eval()(image), taken[0])


def test_an_inplace_operation_above_the_cut_doesnt_reach_it() -> None:
    model = TinyResNet().eval()
    image = torch.randn(1, 3, 16, 16)
    points = truncation_points(model, image_size=16)
    with torch.no_grad():
        assert torch.equal(truncate(model, points["stem"], num_classes=None).eval()(image), model.stem(image))


def test_dropout_works_in_training_alone() -> None:
    model = network("resnet10t")
    points = truncation_points(model, image_size=64)
    small = truncate(model, points["layer1.0"], num_classes=3, dropout=0.5)
    image = torch.randn(2, 3, 64, 64)
    small.eval()
    assert torch.equal(small(image), small(image))
    small.ttl_head.train()
    assert not torch.equal(small(image), small(image))


@pytest.mark.parametrize(("pool", "width"), [("avg", 64), ("max", 64), ("avgmax", 64), ("none", 64 * 16 * 16)])
def test_the_head_is_pooling_dropout_linear(pool: str, width: int) -> None:
    model = network("resnet10t")
    small = truncate(model, truncation_points(model, image_size=64)["layer1.0"], num_classes=3, pool=pool)
    assert small.ttl_head.fc.in_features == width
    assert small(torch.zeros(2, 3, 64, 64)).shape == (2, 3)


def test_an_unknown_pooling_is_refused() -> None:
    model = TinyResNet()
    with pytest.raises(UsageError, match="no pooling 'sum': choose one of avg, max, avgmax, token, none"):
        truncate(model, truncation_points(model, image_size=32)[0], num_classes=2, pool="sum")


def test_the_heads_weights_depend_on_the_seed_alone() -> None:
    model = TinyResNet()
    point = truncation_points(model, image_size=32)[1]
    torch.manual_seed(3)
    a = truncate(model, point, num_classes=2, seed=7)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), after)
    b = truncate(model, point, num_classes=2, seed=7)
    assert torch.equal(a.ttl_head.fc.weight, b.ttl_head.fc.weight)


def test_a_point_of_another_network_is_refused() -> None:
    point = truncation_points(TinyDenseNet(), image_size=32)["block.layer2"]
    with pytest.raises(PointError, match=r"Point block\.layer2 isn't one of this TinyResNet's"):
        truncate(TinyResNet(), point, num_classes=2)


@pytest.mark.parametrize(
    "name", ["tiny-dense", "resnet10t", "small:tv-densenet", "mobilenetv3_small_050", "test_nfnet"]
)
def test_pooled_features_are_those_of_every_cut(name: str) -> None:
    model = TinyDenseNet() if name == "tiny-dense" else network(name)
    model.train()
    points = truncation_points(model, image_size=32)
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    pooled = Features(model, list(points))(images)
    assert list(pooled) == [point.name for point in points]
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    for point in (points[0], points[len(points) // 2], points[-1]):
        feature = truncate(model, point, num_classes=None).eval()(images)
        positions = [axis + 1 for axis in range(len(point.shape)) if axis != point.channel_axis]
        torch.testing.assert_close(pooled[point.name], feature.mean(positions), msg=point.name)


def test_pooled_features_of_another_networks_points_are_refused() -> None:
    points = truncation_points(TinyResNet(), image_size=32)
    with pytest.raises(PointError, match="isn't one of this TinyDenseNet's"):
        Features(TinyDenseNet(), list(points))


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv2_050"])
def test_a_network_is_cut_for_images_that_are_no_squares(name: str) -> None:
    model = timm.create_model(name)
    points = truncation_points(model, image_size=(64, 96))
    middle = points[len(points) // 2]
    assert middle.sides == (64, 96)
    assert middle.shape[1:] == (64 // middle.reduction, 96 // middle.reduction)
    square = truncation_points(model, image_size=64)[len(points) // 2]
    assert (middle.params, middle.macs, middle.reduction) == (square.params, square.macs * 3 // 2, square.reduction)
    small = truncate(model, middle, num_classes=3)
    assert small(torch.zeros(2, 3, 64, 96)).shape == (2, 3)
