"""A U-Net as its two halves: an encoder that is walked like any network, and the decoder's stages with their costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import fx, nn

from ttl.cut.graph import BlockGraph, Op
from ttl.errors import ModelError
from ttl.words.sides import Sides

DECODER, SEGMENTATION_HEAD = "decoder", "segmentation_head"
STAGES = f"{DECODER}.blocks"
UNETS = "segmentation_models_pytorch.decoders.unet."


def is_unet(model: nn.Module) -> bool:
    """Whether it is a U-Net of segmentation_models_pytorch."""
    return any(kind.__module__.startswith(UNETS) for kind in type(model).__mro__)


class Encoder(nn.Module):
    """A U-Net's encoder by itself: images to the deepest feature map. Its module paths are those in the U-Net."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.encoder = unet.get_submodule("encoder")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The deepest feature map `(n, channels, h, w)` of `images`."""
        deepest: torch.Tensor = self.encoder(images)[-1]
        return deepest


def upsamplings(graph: fx.Graph) -> list[fx.Node]:
    """The node of each decoder stage that enlarges what comes from below, deepest stage first.

    What it enlarges is its first argument: there a truncated encoder enters.
    """
    found: dict[str, fx.Node] = {}
    for node in graph.nodes:
        stage = _stage(path for path, _ in (node.meta.get("nn_module_stack") or {}).values())
        if stage is not None and node.target is nn.functional.interpolate:
            found.setdefault(stage, node)
    return list(found.values())


@dataclass(frozen=True)
class Stage:
    """A decoder stage: it doubles the resolution of what comes from below, joins a skip connection, and convolves.

    Attributes:
        entry: path of the convolution that reads what comes from below.
        entry_channels: that it takes in all, those of the skip connection too.
        sides: height and width of what comes from below.
        channels: of what comes from below.
        skip: the value of the encoder that it joins; None where it joins none.
        params: of the stage.
        macs: of the stage, for one image.
        params_per_channel: what each channel from below adds to `params`.
        macs_per_channel: likewise to `macs`.
    """

    entry: str
    entry_channels: int
    sides: Sides
    channels: int
    skip: str | None
    params: int
    macs: int
    params_per_channel: int
    macs_per_channel: int


@dataclass(frozen=True)
class Decoder:
    """The decoder of a walked U-Net, its segmentation head left out: stages, deepest first, and the cost of all."""

    stages: tuple[Stage, ...]
    params: int
    macs: int
    graph: BlockGraph
    """Of the whole U-Net."""

    def entered(self, number: int, channels: int) -> tuple[int, int]:
        """Params and MACs of the stages from `number` on, where `channels` come from below."""
        kept, more = self.stages[number:], channels - self.stages[number].channels
        params = sum(stage.params for stage in kept) + more * kept[0].params_per_channel
        return params, sum(stage.macs for stage in kept) + more * kept[0].macs_per_channel

    def stage_for(self, sides: Sides) -> int | None:
        """The stage that takes maps of that height and width; None if none does."""
        return next((number for number, stage in enumerate(self.stages) if stage.sides == sides), None)


def decoder(graph: BlockGraph) -> Decoder:
    """The decoder of a U-Net that `walk` went through.

    Raises:
        ModelError: it has no stages, so it is another kind of U-Net.
    """
    inside = [op for op in graph.ops if DECODER in op.modules]
    starts = upsamplings(graph.graph)
    if not starts:
        raise ModelError("The decoder of this U-Net has no stages that enlarge a feature map: it can't be shortened")
    runs: list[list[Op]] = [[] for _ in starts]
    names = [_stage(path for path, _ in node.meta["nn_module_stack"].values()) for node in starts]
    for op in inside:
        if (stage := _stage(op.modules)) is not None:
            runs[names.index(stage)].append(op)
    stages = [_measured(graph, node, run) for node, run in zip(starts, runs, strict=True)]
    return Decoder(tuple(stages), *costs(inside), graph)


def _measured(graph: BlockGraph, upsampling: fx.Node, run: Sequence[Op]) -> Stage:
    by_node = {op.node: op for op in graph.ops}
    below = by_node[upsampling.all_input_nodes[0]]
    enlarged = by_node[upsampling]
    entry = next(op for op in run if any(parameter.dim() > 1 for parameter in op.parameters))
    join = next((op for op in run if op.node.target is torch.cat and upsampling in op.node.all_input_nodes), None)
    skips = [node for node in join.node.all_input_nodes if node is not upsampling] if join else []
    weight = next(parameter for parameter in entry.parameters if parameter.dim() > 1)
    shape = below.shape or ()
    params, macs = costs(run)
    return Stage(
        entry=str(entry.node.target),
        entry_channels=weight.shape[1],
        sides=shape[2:],
        channels=shape[1],
        skip=skips[0].name if skips else None,
        params=params,
        macs=macs,
        params_per_channel=weight[:, 0].numel(),
        macs_per_channel=entry.macs // weight.shape[1] + enlarged.macs // shape[1],
    )


def _stage(paths: Iterable[str]) -> str | None:
    """Of the modules that an operation runs in, the decoder stage."""
    for path in paths:
        if path.startswith(f"{STAGES}.") and path.count(".") == STAGES.count(".") + 1:
            return path
    return None


def costs(ops: Sequence[Op]) -> tuple[int, int]:
    """Params and MACs of some operations; a shared parameter counts once."""
    params = sum({id(p): p.numel() for op in ops for p in op.parameters}.values())
    return params, sum(op.macs for op in ops)
