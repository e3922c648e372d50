"""How the heads of a joint network begin."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import torch
from torch import nn

from ttl.cut.features import in_batches
from ttl.cut.head import HEAD, PixelHead
from ttl.cut.points import TruncationPoint
from ttl.data.decoded import TrainingImages
from ttl.search.evidence.samples import feature_samples
from ttl.search.linear_probe import linear_probe
from ttl.study.candidate import Norms

REGULARISATION = 1e-3
"""C of the probes that heads begin as: one that fits the training images to the full leaves the trunk no gradient."""
BATCH = 64


def begin_as_probes(
    model: nn.Module, points: Sequence[TruncationPoint], trunk: nn.Module, data: TrainingImages, norms: Norms, pool: str
) -> None:
    """Let each head of a joint network, as it was built, begin as a linear probe of what it reads; changed in place.

    Random ones would need more steps than a small data set has in half the epochs, and pull the trunk about meanwhile
    (linear probing, then fine-tuning: Kumar et al., ICLR 2022).

    The heads are at `points`, lowest first; `trunk` is the pretrained network that it was made of, and `norms` says how
    norms behave while the features are taken.
    """
    heads = list(model.get_submodule(HEAD).children())
    if data.task.kind.per_pixel:
        _of_pixels(heads, points, trunk, data)
        return
    if pool == "none":
        return  # a probe of whole feature maps has more weights than there is to learn from, or room for
    labels, classes = np.asarray(data.task.train.labels), len(data.task.class_names)
    for head, features in zip(heads, _inputs(model, heads, data, norms), strict=True):
        probe = linear_probe(features.numpy(), labels, classes, regularisation=REGULARISATION)
        if probe is not None:
            weight, bias = map(torch.from_numpy, probe)
            head.get_submodule("fc").load_state_dict({"weight": weight, "bias": bias})


def _of_pixels(
    heads: Sequence[nn.Module], points: Sequence[TruncationPoint], trunk: nn.Module, data: TrainingImages
) -> None:
    samples, classes = feature_samples(trunk, points, data), len(data.task.class_names)
    for head, point in zip(heads, points, strict=True):
        if not isinstance(head, PixelHead):
            raise TypeError(f"{point.name} has no head for pixels")
        probe = linear_probe(samples.at(point.name), samples.labels, classes, regularisation=REGULARISATION)
        if probe is not None:
            weight, bias = map(torch.from_numpy, probe)
            one = data.task.kind.outputs(classes) == 1
            head.load(weight[1:] - weight[:1] if one else weight, bias[1:] - bias[:1] if one else bias)


def _inputs(model: nn.Module, heads: Sequence[nn.Module], data: TrainingImages, norms: Norms) -> list[torch.Tensor]:
    """Of each head what its linear layer is given for the training images, unaugmented: `(n, width)`."""
    layers = {str(number): head.get_submodule("fc") for number, head in enumerate(heads)}
    taken: dict[nn.Module, torch.Tensor] = {}

    def record(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        taken[layer] = inputs[0].detach().float()

    def look(_: int, images: torch.Tensor) -> dict[str, torch.Tensor]:
        model(images)
        return {number: taken[layer] for number, layer in layers.items()}

    pixels = data.images.crops()
    model.eval()
    hooks = [layer.register_forward_pre_hook(record) for layer in layers.values()]
    try:
        with torch.no_grad(), norms(model):
            # Of like sizes: norms that train on a batch of its own would make something else of a small last one.
            batches = torch.tensor_split(pixels, ceil(len(pixels) / BATCH))
            values = in_batches(model, batches, data.normalise, look)
    finally:
        for hook in hooks:
            hook.remove()
    return list(values.values())
