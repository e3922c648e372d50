from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from toy_networks import Cells, TinyDenseNet, TinyResNet, TwoRoads, network
from ttl.cut.points import TruncationPoints, truncation_points
from ttl.cut.truncation import truncate
from ttl.errors import ModelError, PointError, UsageError


def shapes_of(name: str) -> nn.Module:
    """The network without its weights: points need none."""
    with torch.device("meta"):
        return network(name)


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
        points = truncation_points(shapes_of(model))
        assert (len(points), points[0].name, points[-1].name) == (count, first, last)
        assert ends is None or stage_ends(points) == ends

    def test_densenet121_has_stem_58_dense_layers_transitions_and_the_last_norm(self) -> None:
        points = truncation_points(shapes_of("densenet121"))
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

    def test_cells_that_read_the_last_two_are_points(self) -> None:
        model = Cells().eval()
        points = truncation_points(model, image_size=16)
        assert names(points) == ["stem", "cells.0", "cells.1", "cells.2"]
        images = torch.randn(2, 3, 16, 16)
        with torch.no_grad():
            stem = model.stem(images)
            expected = model.cells[1](model.cells[0](stem, stem), stem)
            assert torch.equal(truncate(model, points["cells.1"], num_classes=None).eval()(images), expected)


class TestAxesAndStrides:
    """Which axis holds the channels, and the nominal stride."""

    @pytest.mark.parametrize(
        ("model", "size", "cut", "axis", "channels", "reduction"),
        [
            ("swin_tiny_patch4_window7_224", 224, "layers.1.blocks.0", 2, 192, 8),
            ("nest_tiny", 224, "levels.0.transformer_encoder.1", 2, 96, 4),  # windows x tokens x channels
            ("test_vit", 160, "blocks.2", 1, 64, 16),
            ("tv:convnext_tiny", 96, "features.1.2", 0, 96, 4),  # moves axes inside its blocks
            ("efficientnet_b0", 240, "bn2", 0, 1280, 32),  # 240 / 8 = 30
            ("inception_v3", 299, "Mixed_5b", 0, 256, 8),  # 299 / 35 = 8.5
        ],
    )
    def test_known_points(self, model: str, size: int, cut: str, axis: int, channels: int, reduction: int) -> None:
        point = truncation_points(shapes_of(model), image_size=size)[cut]
        assert (point.channel_axis, point.channels, point.reduction) == (axis, channels, reduction)
        assert point.shape[point.channel_axis] == channels


class TestFinish:
    def test_a_preactivation_block_takes_the_next_norm_along(self) -> None:
        model, cut = network("small:resnetv2").eval(), "stages.1.blocks.0"
        plain = truncation_points(model, image_size=64)
        finished = truncation_points(model, image_size=64, finish="norm")
        assert names(plain) == names(finished)
        norm = model.stages[1].blocks[1].norm1
        assert finished[cut].params == plain[cut].params + 2 * norm.num_features
        images = torch.randn(2, 3, 64, 64)
        with torch.no_grad():
            bare = truncate(model, plain[cut], num_classes=None).eval()(images)
            assert torch.equal(truncate(model, finished[cut], num_classes=None).eval()(images), norm(bare))

    def test_a_dense_layer_too(self) -> None:
        model = network("small:densenet").eval()
        plain, finished = (truncation_points(model, image_size=64, finish=f) for f in ("block", "norm"))
        cut = "features.denseblock2.denselayer2"
        norm = model.features.denseblock2.denselayer3.norm1
        assert finished[cut].is_finished
        assert finished[cut].channels == plain[cut].channels == norm.num_features
        images = torch.randn(2, 3, 64, 64)
        with torch.no_grad():
            bare = truncate(model, plain[cut], num_classes=None).eval()(images)
            assert torch.equal(truncate(model, finished[cut], num_classes=None).eval()(images), norm(bare))

    def test_where_the_next_layer_is_a_convolution_nothing_changes(self) -> None:
        model = network("resnet10t")
        plain, finished = (truncation_points(model, image_size=64, finish=f) for f in ("block", "norm"))
        assert list(plain) == list(finished)
        assert not any(point.is_finished for point in finished)

    def test_another_word_is_refused(self) -> None:
        with pytest.raises(UsageError, match="no finish 'relu': choose one of block, norm"):
            truncation_points(TinyResNet(), image_size=32, finish="relu")


class TestWithinWeights:
    def test_points_that_need_a_missing_tensor_are_marked(self) -> None:
        missing = ["stage2.0.bn1.weight", "fc.weight"]
        points = truncation_points(TinyResNet(), image_size=32, missing=missing)
        assert [p.is_within_weights for p in points] == [True, True, True, False, False]
        assert "stage2.0" in repr(points).split("? beyond the loaded weights")[0]
        assert "? beyond" not in repr(truncation_points(TinyResNet(), image_size=32))

    def test_the_classifier_alone_missing_leaves_all_within(self) -> None:
        points = truncation_points(TinyResNet(), image_size=32, missing=["fc.weight", "fc.bias"])
        assert all(p.is_within_weights for p in points)
