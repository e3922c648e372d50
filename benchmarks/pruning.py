"""Width pruning to a given number of MACs, by Torch-Pruning: the peer of `benchmarks/latency.py`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
from torch import nn

from ttl.cut.macs import MacCounter

TOLERANCE = 0.02
MOST_TRIES = 10


@dataclass(frozen=True)
class Reached:
    """A pruning ratio (the share of each layer's channels that goes), and the MACs that are left of all, a share."""

    pruning_ratio: float
    macs_ratio: float


def pruned_to(wanted: float, model: nn.Module, image: torch.Tensor, *, widths: int) -> tuple[nn.Module, Reached, bool]:
    """A copy of `model` with so many channels less in every layer that a share of the MACs is left.

    Args:
        wanted: that share.
        model: the whole network; the layer that gives the classes keeps its outputs.
        image: what it takes, `(1, channels, height, width)`.
        widths: channels are rounded to multiples of it; 1 doesn't round.

    Returns:
        The copy, what was reached, and whether that is within 2 % of what was wanted.
    """
    whole = macs_of(model, image)

    def left(ratio: float) -> float:
        return macs_of(pruned(model, image, ratio, widths), image) / whole

    found = nearest(wanted, left)
    within = abs(found.macs_ratio - wanted) <= TOLERANCE * wanted
    return pruned(model, image, found.pruning_ratio, widths), found, within


def nearest(wanted: float, left: Callable[[float], float]) -> Reached:
    """By false position: MACs fall with about the square of the width, so their root with the pruning ratio.

    Args:
        wanted: a share of the MACs, between 0 and 1.
        left: takes a pruning ratio, gives the share of the MACs that is left; falls from 1 at 0.

    Returns:
        The first that is within 2 % of `wanted`, or the nearest of ten.
    """
    low, high = Reached(0.0, 1.0), Reached(1.0, 0.0)
    best = low
    for _ in range(MOST_TRIES):
        top, aim, bottom = (sqrt(share) for share in (low.macs_ratio, wanted, high.macs_ratio))
        part = min(max((top - aim) / (top - bottom), 0.05), 0.95) if top > bottom else 0.5
        ratio = low.pruning_ratio + part * (high.pruning_ratio - low.pruning_ratio)
        tried = Reached(ratio, left(ratio))
        best = min(best, tried, key=lambda reached: abs(reached.macs_ratio - wanted))
        if abs(best.macs_ratio - wanted) <= TOLERANCE * wanted:
            break
        low, high = (tried, high) if tried.macs_ratio > wanted else (low, tried)
    return best


def pruned(model: nn.Module, image: torch.Tensor, ratio: float, widths: int) -> nn.Module:
    """A copy with the channels of least magnitude gone, the same share in every layer."""
    import torch_pruning

    small = copy.deepcopy(model).requires_grad_(True)
    last = [module for module in small.modules() if isinstance(module, nn.Linear)][-1:]
    torch_pruning.pruner.BasePruner(
        small,
        image,
        importance=torch_pruning.importance.MagnitudeImportance(p=2),
        pruning_ratio=ratio,
        ignored_layers=last,
        round_to=widths if widths > 1 else None,
    ).step()
    return small.eval()


def macs_of(model: nn.Module, image: torch.Tensor) -> int:
    """Multiply-adds of one call, as fvcore counts them."""
    with torch.no_grad(), MacCounter() as counter:
        model(image)
    return counter.take()
