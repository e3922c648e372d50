"""What `truncate` promises, kept by one small network of each family: `benchmarks/zoo_coverage.py` asks all of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from toy_networks import network
from ttl.cut.points import TruncationPoint, TruncationPoints, truncation_points
from ttl.cut.truncation import truncate
from ttl.export.to_file import export_onnx


@dataclass(frozen=True)
class Family:
    """A network, the image size it is walked at, and another one that its cuts must take."""

    name: str
    why: str
    image_size: int = 64
    other_size: int = 96
    options: tuple[tuple[str, Any], ...] = ()
    read_by: tuple[tuple[str, str], ...] = ()
    """Point -> the module that reads its feature, where the point's own module doesn't give it out."""
    trait: str | None = None
    """The lowest point that has what the family is there for; a third of the way up where None."""


FAMILIES = (
    Family("resnet10t", "residual blocks, ReLU behind the sum"),
    Family("small:resnetv2", "residual blocks, norm and ReLU before the convolutions"),
    Family("small:densenet", "dense blocks"),
    Family("small:tv-densenet", "dense blocks, a functional ReLU at the end"),
    Family("test_efficientnet", "squeeze and excitation; drop path", options=(("drop_path_rate", 0.2),)),
    Family("mobilenetv3_small_050", "hard swish; a layer behind the pooling"),
    Family("small:tv-mobilenet_v2", "inverted residuals; blocks without classes of their own"),
    Family("small:regnet", "stages in stages"),
    Family("test_convnext", "channels last inside blocks; drop path", options=(("drop_path_rate", 0.2),)),
    Family("tv:googlenet", "parallel branches; a training flag read by the model", options=(("init_weights", False),)),
    Family(
        "hrnet_w18_small",
        "parallel resolutions",
        read_by=(("downsamp_modules.2", "final_layer"),),
        trait="downsamp_modules.2",
    ),
    Family("tv:squeezenet1_1", "a convolution classifies"),
    Family("small:tv-shufflenet", "channel shuffles"),
    Family("selecsls42", "lists from block to block"),
    Family("ese_vovnet19b_slim_dw", "concatenation of all layers at once", trait="stages.0"),
    Family("mobilevit_xxs", "convolutions and attention", 128, 192, trait="stages.2.1"),
    Family("test_vit", "branches on sizes; tokens", 160, 160),
)


class Case:
    """A family's network with the models cut from it at a sample of its points."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.model = network(family.name, **dict(family.options)).eval()
        self.points: TruncationPoints = truncation_points(self.model, image_size=family.image_size)

    @property
    def sample(self) -> list[TruncationPoint]:
        """The first, the last, and two between."""
        last = len(self.points) - 1
        return [self.points[i] for i in sorted({0, last // 3, 2 * last // 3, last})]

    @cached_property
    def bare(self) -> dict[str, nn.Module]:
        """Without a head: they give the feature itself."""
        return {point.name: truncate(self.model, point, num_classes=None).eval() for point in self.sample}

    @property
    def typical(self) -> TruncationPoint:
        return self.points[self.family.trait] if self.family.trait else self.sample[1]

    def images(self, count: int, size: int | None = None) -> torch.Tensor:
        side = size or self.family.image_size
        return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@cache
def case_of(family: Family) -> Case:
    return Case(family)


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def case(request: pytest.FixtureRequest) -> Case:
    return case_of(request.param)


def agrees(case: Case, model: nn.Module, point: TruncationPoint, feature: torch.Tensor, images: torch.Tensor) -> bool:
    """Whether it is, bit for bit, what a hook sees in the whole network.

    A dense cut ends with what its module gave out. Behind the last norm of torchvision's stands a functional ReLU.
    """
    taken: list[torch.Tensor] = []

    def take(value: Any) -> None:
        # A copy: a later operation may work in place on it.
        taken.append((value[0] if isinstance(value, (tuple, list)) else value).clone())

    reader = dict(case.family.read_by).get(point.name)
    if reader:
        hook = model.get_submodule(reader).register_forward_pre_hook(lambda _module, inputs: take(inputs))
    else:
        hook = model.get_submodule(point.name).register_forward_hook(lambda _module, _inputs, out: take(out))
    with torch.no_grad():
        model(images)
    hook.remove()
    seen = taken[-1]
    if case.family.name == "small:tv-densenet" and point is case.points[-1]:
        seen = torch.relu(seen)
    return torch.equal(feature[:, -seen.shape[1] :] if "denselayer" in point.name else feature, seen)


def owners(names: Iterable[str]) -> set[str]:
    return {name.rpartition(".")[0] for name in names}


def test_points_are_many_named_once_and_cost_more_and_more(case: Case) -> None:
    assert len(case.points) >= 4
    assert len({point.name for point in case.points}) == len(case.points)
    for below, above in pairwise(case.points):
        assert below.params <= above.params
        assert below.macs <= above.macs
        assert below.reduction <= above.reduction


def test_the_last_point_is_the_whole_network_but_its_classifier(case: Case) -> None:
    kept = case.bare[case.points[-1].name].state_dict()
    classifier = owners(case.model.state_dict().keys() - kept.keys())
    # GoogLeNet's auxiliary classifiers work in training alone.
    classifier = {name for name in classifier if not name.startswith("aux")}
    assert len(classifier) == 1
    (only,) = classifier
    assert case.model.get_submodule(only).weight.shape[0] == 1000


@pytest.mark.parametrize("batch", [1, 3])
def test_features_are_the_whole_networks_bit_for_bit(case: Case, batch: int) -> None:
    images = case.images(batch)
    for point in case.sample:
        with torch.no_grad():
            feature = case.bare[point.name](images)
        assert agrees(case, case.model, point, feature, images), point.name
        assert feature.shape[1:] == point.shape
        assert feature.shape[1:][point.channel_axis] == point.channels


def test_they_are_so_at_another_size(case: Case) -> None:
    images = case.images(2, case.family.other_size)
    for point in case.sample:
        with torch.no_grad():
            feature = case.bare[point.name](images)
        assert agrees(case, case.model, point, feature, images), point.name


def test_they_are_so_in_training_and_the_statistics_move_alike(case: Case) -> None:
    images = case.images(4)
    for point in (case.typical, case.points[-1]):
        whole = copy.deepcopy(case.model).train()
        small = truncate(case.model, point, num_classes=None).train()
        torch.manual_seed(0)
        with torch.no_grad():
            feature = small(images)
        torch.manual_seed(0)
        assert agrees(case, whole, point, feature, images), point.name
        state, before = whole.state_dict(), case.model.state_dict()
        moved = [name for name, value in small.state_dict().items() if not torch.equal(value, before[name])]
        assert all(torch.equal(value, state[name]) for name, value in small.state_dict().items())
        assert all("running" in name or "num_batches" in name for name in moved)


def test_all_that_is_kept_is_used_and_named_and_valued_as_before(case: Case) -> None:
    state = case.model.state_dict()
    for point in case.sample:
        small = truncate(case.model, point, num_classes=3)
        small.eval()(case.images(2)).square().mean().backward()
        dead = [name for name, parameter in small.named_parameters() if parameter.grad is None]
        assert not dead, point.name
        assert sum(p.numel() for p in case.bare[point.name].parameters()) == point.params
        kept = {name: value for name, value in small.state_dict().items() if not name.startswith("ttl_head.")}
        assert all(torch.equal(value, state[name]) for name, value in kept.items())
        parameters = owners(name for name, _ in small.named_parameters())
        idle = owners(name for name, _ in small.named_buffers()) - parameters
        assert not [name for name in idle if name in owners(state) and name not in _targets(small)], point.name
    assert all(parameter.grad is None for parameter in case.model.parameters())


def _targets(model: Any) -> set[str]:
    """The modules that a graph calls, with all that is in them."""
    called = {str(node.target) for node in model.graph.nodes if node.op in ("call_module", "get_attr")}
    return called | {name for name, _ in model.named_modules() if any(name.startswith(f"{c}.") for c in called)}


def test_a_saved_state_fits_the_same_cut_of_other_weights(case: Case, tmp_path: Path) -> None:
    source = truncate(case.model, case.typical, num_classes=3).eval()
    torch.save(source.state_dict(), tmp_path / "cut.pth")
    other = copy.deepcopy(case.model)
    for parameter in other.parameters():
        nn.init.normal_(parameter, std=1 / math.sqrt(parameter.numel()))
    target = truncate(other, case.typical, num_classes=3, seed=1).eval()
    target.load_state_dict(torch.load(tmp_path / "cut.pth"), strict=True)
    with torch.no_grad():
        assert torch.equal(target(case.images(2)), source(case.images(2)))


def test_a_cut_can_be_copied_and_compiled(case: Case) -> None:
    small = truncate(case.model, case.typical, num_classes=3).eval()
    twin = copy.deepcopy(small)
    torch.compiler.reset()
    compiled = torch.compile(twin, backend="aot_eager", fullgraph=True)
    images = case.images(2)
    with torch.no_grad():
        expected = small(images)
        assert torch.equal(twin(images), expected)
        torch.testing.assert_close(compiled(images), expected)
    assert twin.ttl_head.fc.weight is not small.ttl_head.fc.weight


def test_a_cut_exports_and_onnxruntime_agrees(case: Case, tmp_path: Path) -> None:
    small = truncate(case.model, case.typical, num_classes=3)
    result = export_onnx(small, tmp_path / "cut.onnx", check_on=case.images(3))
    assert result.path.is_file()
