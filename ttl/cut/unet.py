"""A U-Net: what it is, and the two places where its halves meet."""

from __future__ import annotations

import torch
from torch import fx, nn

DECODER, SEGMENTATION_HEAD = "decoder", "segmentation_head"


def is_unet(model: nn.Module) -> bool:
    """Whether it is a U-Net of segmentation_models_pytorch."""
    unets = "segmentation_models_pytorch.decoders.unet."
    return any(kind.__module__.startswith(unets) for kind in type(model).__mro__)


class Encoder(nn.Module):
    """A U-Net's encoder by itself: images to the deepest feature map. Its module paths are those in the U-Net."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.encoder = unet.get_submodule("encoder")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The deepest feature map `(n, channels, h, w)` of `images`."""
        deepest: torch.Tensor = self.encoder(images)[-1]
        return deepest


def upsamplings(graph: fx.Graph) -> dict[str, fx.Node]:
    """Path of a decoder stage, deepest first -> the node that enlarges what comes from below.

    What it enlarges is its first argument: there a truncated encoder enters.
    """
    found: dict[str, fx.Node] = {}
    for node in graph.nodes:
        paths = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
        stage = next((path for path in paths if path.rpartition(".")[0] == f"{DECODER}.blocks"), None)
        if stage is not None and node.target is nn.functional.interpolate:
            found.setdefault(stage, node)
    return found
