from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from toy_networks import Branching, Encoder, Stubborn, TinyResNet, network
from ttl.cut.points import truncation_points
from ttl.cut.trace import same_branch, trace
from ttl.cut.truncation import truncate
from ttl.errors import ModelError


def calls(model: nn.Module) -> list[str]:
    graph = trace(model, image_size=16).graph
    return [str(node.target) for node in graph.nodes if node.op == "call_module"]


def test_a_module_that_reads_its_training_flag_stays_whole() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.dropout(self.conv(x), 0.5, training=self.training)

    assert calls(nn.Sequential(Noisy(), nn.ReLU())) == ["0", "1"]


def test_a_module_that_branches_on_sizes_stays_whole() -> None:
    assert calls(nn.Sequential(nn.Conv2d(3, 3, 1), Branching())) == ["0", "1"]


def test_one_that_holds_blocks_is_followed_along_the_branch_of_this_size() -> None:
    assert calls(nn.Sequential(nn.Conv2d(3, 3, 1), Encoder())) == [
        "0",
        *(f"1.blocks.{i}.{part}" for i in range(3) for part in ("conv1", "conv2")),
    ]


def test_the_model_itself_is_followed_too() -> None:
    assert calls(Branching()) == ["conv", "conv2"]


def test_another_branch_at_another_size_is_said() -> None:
    model = nn.Sequential(Encoder(), nn.Conv2d(3, 4, 1))
    small = truncate(model, truncation_points(model, image_size=16)["0.blocks.1"], num_classes=None)
    images = torch.zeros(2, 3, 32, 32)
    assert small(images).shape == (2, 3, 32, 32)
    with pytest.raises(ModelError, match="forward of Encoder takes another branch for an image of this size"):
        small(torch.zeros(1, 3, 3, 3))


def test_a_branch_above_the_cut_asks_nothing_of_it() -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.low, self.high = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.low(x)
            return self.high(x) if self.high(x).shape[-1] > 4 else x

    model = Late()
    graph = trace(model, image_size=16).graph
    assert any(node.target is same_branch for node in graph.nodes)
    low = truncate(model, truncation_points(model, image_size=16)["low"], num_classes=None)
    assert not any(node.target is same_branch for node in low.graph.nodes)
    assert low(torch.zeros(1, 3, 5, 5)).shape == (1, 4, 3, 3)


def test_what_depends_on_the_batch_isnt_followed() -> None:
    class ByBatch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x) if x.shape[0] == 1 else x

    with pytest.raises(ModelError, match=r"ByBatch .* stopped it with TypeError: .* depends on the batch size"):
        trace(ByBatch())


def test_numbers_made_of_sizes_are_followed() -> None:
    class Repeats(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(x.shape[-1] // 8):
                x = self.conv(x)
            return x * int(x.shape[-1]) * len(x.shape) * range(x.ndim)[-1]

    graph = trace(Repeats(), image_size=24).graph
    assert sum(node.op == "call_module" for node in graph.nodes) == 3


def test_a_model_that_cant_be_traced_is_refused_with_what_stopped_it() -> None:
    sentence = (
        r"Stubborn can't be walked: Stubborn \(the model itself\) stopped it with TypeError: "
        r"control flow depends on more than sizes, at gt .* nothing but sizes"
    )
    with pytest.raises(ModelError, match=sentence):
        trace(Stubborn())


def test_what_a_forward_writes_into_the_model_is_undone() -> None:
    class Remembers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.cache: dict[str, torch.Tensor] = {}
            self.last: torch.Tensor | None = None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.last = self.cache[str(x.device)] = self.conv(x)
            self.new = x
            return self.last * 2

    model = Remembers()
    trace(nn.Sequential(model, nn.ReLU()))
    assert (model.cache, model.last, hasattr(model, "new")) == ({}, None, False)


def test_following_leaves_torch_as_it_was() -> None:
    before = nn.Module.__call__, nn.Module.__getattr__
    trace(network("test_vit"), image_size=160)
    assert (nn.Module.__call__, nn.Module.__getattr__) == before
    assert "training" not in vars(nn.Module)
    assert TinyResNet()(torch.zeros(1, 3, 16, 16)).shape == (1, 10)
