from __future__ import annotations

import pytest
import torch
from torch import nn

from toy_networks import TinyDenseNet, TinyResNet, TwoRoads
from ttl.cut.graph import walk
from ttl.errors import ModelError


def test_live_sets_are_the_maps_that_a_later_operation_needs() -> None:
    graph = walk(TinyDenseNet(), image_size=16)
    live = {op.node.name: [o.node.name for o in s] for op, s in zip(graph.ops, graph.live_sets, strict=True)}
    assert live["stem"] == ["stem"]
    assert live["block_layer1_conv2"] == ["stem", "block_layer1_conv2"]
    assert live["block_layer2_conv1"] == ["stem", "block_layer1_conv2", "block_layer2_conv1"]
    assert live["norm"] == ["norm"]


def test_maps_that_the_next_operation_concatenates_are_one_map() -> None:
    graph = walk(TinyDenseNet(), image_size=16)
    cuts = dict(zip((op.node.name for op in graph.ops), graph.cuts, strict=True))
    assert [op.node.name for op in cuts["block_layer1_conv2"] or ()] == ["stem", "block_layer1_conv2"]
    assert cuts["block_layer2_conv1"] is None


def test_two_roads_can_be_cut_only_where_they_meet() -> None:
    graph = walk(TwoRoads(), image_size=16)
    open_ends = [op.node.name for op, cut in zip(graph.ops, graph.cuts, strict=True) if cut]
    assert not any(name.startswith(("high_0", "low")) for name in open_ends)


def test_shapes_and_macs_are_of_one_image() -> None:
    graph = walk(TinyResNet(), image_size=16)
    stem = next(op for op in graph.ops if op.node.name == "stem_0")
    assert stem.shape == (1, 8, 8, 8)
    assert stem.macs == 8 * 8 * 8 * (3 * 3 * 3)  # output positions x channels x kernel


def test_the_model_is_left_as_it_was() -> None:
    class WithConstant(TinyResNet):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x * torch.tensor([2.0]))

    model = WithConstant().train()
    model.stage1.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    flags = [module.training for module in model.modules()]
    attributes = set(vars(model))
    walk(model, image_size=16)
    assert [module.training for module in model.modules()] == flags
    assert set(vars(model)) == attributes
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert "training" not in vars(nn.Module)


def test_a_model_that_cant_take_the_image_is_refused_with_the_operation() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Flatten(), nn.Linear(7, 2))
    with pytest.raises(ModelError, match=r"can't be run on an image of 16 x 16 pixels: 2 stopped it .* --image-size"):
        walk(model, image_size=16)
