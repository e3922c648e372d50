from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn

from networks import TinyDenseNet, TinyResNet, TwoRoads, network
from ttl.errors import ModelError, PointError, UsageError
from ttl.truncation import TruncationPoints, truncate, truncation_points


def names(points: TruncationPoints) -> list[str]:
    return [point.name for point in points]


def stage_ends(points: TruncationPoints) -> list[str]:
    return [point.name for point in points if point.is_stage_end]


class TestPoints:
    def test_a_residual_network_is_cut_behind_stem_and_blocks(self) -> None:
        points = truncation_points(TinyResNet(), image_size=32)
        assert names(points) == ["stem", "stage1.0", "stage1.1", "stage2.0", "stage2.1"]
        assert stage_ends(points) == ["stage1.1", "stage2.1"]
        assert [p.reduction for p in points] == [2, 2, 2, 4, 4]
        assert [p.stage for p in points] == [1, 1, 1, 2, 2]
        assert [p.kind for p in points] == ["stem", "block", "block", "block", "block"]
        assert points[0].params == 3 * 8 * 9 + 8 + 16
        assert points[-1].params == sum(p.numel() for p in TinyResNet().parameters()) - 8 * 10 - 10

    def test_a_dense_block_is_cut_behind_each_of_its_layers(self) -> None:
        points = truncation_points(TinyDenseNet(), image_size=32)
        assert names(points) == ["stem", "block.layer1", "block.layer2", "block.layer3", "norm"]
        assert [p.channels for p in points] == [8, 12, 16, 20, 20]

    def test_costs_never_fall_and_indices_count_from_one(self) -> None:
        points = truncation_points(network("resnet10t"), image_size=64)
        assert [p.index for p in points] == list(range(1, len(points) + 1))
        for below, above in pairwise(points):
            assert below.params < above.params
            assert below.macs < above.macs

    @pytest.mark.parametrize(
        ("model", "count", "first", "last", "ends"),
        [
            ("resnet50", 17, "maxpool", "layer4.2", ["layer1.2", "layer2.3", "layer3.5", "layer4.2"]),
            (
                "efficientnet_b0",
                18,
                "bn1",
                "bn2",
                ["blocks.0.0", "blocks.1.1", "blocks.2.1", "blocks.4.2", "bn2"],
            ),
            ("vgg16_bn", 14, "features.2", "pre_logits", None),
            ("inception_v3", 12, "Pool2", "Mixed_7c", ["Mixed_5d", "Mixed_6e", "Mixed_7c"]),
            ("tv:mobilenet_v2", 19, "features.0", "features.18", None),
        ],
    )
    def test_known_networks(self, model: str, count: int, first: str, last: str, ends: list[str] | None) -> None:
        points = truncation_points(network(model))
        assert (len(points), points[0].name, points[-1].name) == (count, first, last)
        assert ends is None or stage_ends(points) == ends

    def test_densenet121_has_stem_58_dense_layers_transitions_and_the_last_norm(self) -> None:
        points = truncation_points(network("densenet121"))
        assert sum("denselayer" in point.name for point in points) == 58
        assert [p.name for p in points if "denselayer" not in p.name] == [
            "features.pool0",
            "features.transition1",
            "features.transition2",
            "features.transition3",
            "features.norm5",
        ]

    def test_by_name_index_or_full(self) -> None:
        points = truncation_points(TinyResNet(), image_size=32)
        assert points["stage1.1"] is points[2] is points.find("3")
        assert points.find("full") is points[-1]

    def test_a_point_that_doesnt_exist_names_near_ones(self) -> None:
        points = truncation_points(TinyResNet(), image_size=32)
        with pytest.raises(PointError, match=r"no truncation point 'stage1\.9' .* did you mean stage1\.\d"):
            points.find("stage1.9")
        with pytest.raises(PointError, match="no truncation point '6'"):
            points.find("6")

    def test_a_table_when_printed(self) -> None:
        table = repr(truncation_points(TinyResNet(), image_size=32))
        assert "\n   3 stage1.1    1*      8      2   0.003M" in table

    def test_a_network_without_a_single_map_is_refused(self) -> None:
        class Parallel(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3)

            def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                return self.a(x), self.b(x)

        with pytest.raises(ModelError, match="can be cut nowhere"):
            truncation_points(Parallel(), image_size=16)

    def test_two_roads_are_one_point_at_the_end(self) -> None:
        points = truncation_points(TwoRoads(), image_size=16)
        assert [p.params for p in points] == [sum(p.numel() for p in TwoRoads().parameters()) - 3 * 2 - 2]


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
    whole = network(model)
    point = truncation_points(whole)[cut]
    small = truncate(whole, point, num_classes=2, pool=pool)
    assert sum(p.numel() for p in small.parameters()) == pytest.approx(params, rel=0.5e-2 if params < 1e7 else 3e-3)
    assert float(f"{sum(p.numel() for p in small.parameters()):.3g}") == params
    assert macs is None or float(f"{point.macs:.3g}") == macs


def features_of(model: nn.Module, name: str, image: torch.Tensor) -> torch.Tensor:
    """What the module called `name` gives out in the whole network, copied: later operations may work in place."""
    taken: list[torch.Tensor] = []
    hook = model.get_submodule(name).register_forward_hook(lambda _m, _i, out: taken.append(out.clone()))
    with torch.no_grad():
        model(image)
    hook.remove()
    return taken[0]


NETWORKS = [
    "resnet18",
    "densenet121",
    "efficientnet_b0",
    "tv:mobilenet_v2",
    "tv:resnet18",
    "tv:efficientnet_b0",
]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_cut_computes_what_the_whole_network_computes_there(name: str) -> None:
    model = network(name).eval()
    state = copy.deepcopy(model.state_dict())
    image = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    points = truncation_points(model, image_size=64)
    sample = points if len(points) < 30 else [*points[::8], points[-1]]
    for point in sample:
        small = truncate(model, point, num_classes=None).eval()
        with torch.no_grad():
            feature = small(image)
        expected = features_of(model, point.name, image)
        assert torch.equal(feature[:, -expected.shape[1] :], expected), point.name
        assert feature.shape[1] == point.channels
        assert sum(p.numel() for p in small.parameters()) == point.params
        kept = small.state_dict()
        assert kept.keys() <= state.keys()
        assert all(torch.equal(kept[key], state[key]) for key in kept)
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())


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


@pytest.mark.parametrize("name", ["resnet10t", "tv:mobilenet_v2"])
def test_in_training_norms_and_dropout_behave_as_in_the_whole_network(name: str) -> None:
    model = network(name).train()
    image = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    small = truncate(model, truncation_points(model, image_size=64)[-1], num_classes=None)
    assert small.training
    whole = copy.deepcopy(model)
    torch.manual_seed(0)
    small(image)
    torch.manual_seed(0)
    whole(image)
    state = whole.state_dict()
    for key, value in small.state_dict().items():
        assert torch.equal(value, state[key]), key  # running statistics moved alike
    assert not torch.equal(next(b for k, b in small.named_buffers() if "running_mean" in k), torch.zeros(()))


def test_every_kept_parameter_gets_a_gradient_and_batch_and_size_are_free() -> None:
    model = network("resnet10t")
    small = truncate(model, truncation_points(model, image_size=64)["layer3.0"], num_classes=3)
    small(torch.randn(5, 3, 96, 96)).sum().backward()
    assert all(parameter.grad is not None for parameter in small.parameters())
    assert next(model.parameters()).grad is None


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
    with pytest.raises(UsageError, match="no pooling 'sum': choose one of avg, max, avgmax, none"):
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


def test_a_cut_model_can_be_copied_and_compiled() -> None:
    model = network("resnet10t").eval()
    small = truncate(model, truncation_points(model, image_size=64)["layer2.0"], num_classes=2)
    image = torch.randn(1, 3, 64, 64)
    twin = copy.deepcopy(small)
    with torch.no_grad():
        assert torch.equal(twin(image), small(image))
    assert twin.ttl_head.fc.weight is not small.ttl_head.fc.weight
