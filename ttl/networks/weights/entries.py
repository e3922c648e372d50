"""What a checkpoint holds -> the one mapping of names to tensors that is a given network's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

State = dict[str, torch.Tensor]

OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")
"""`norm.1.weight` in the first torchvision checkpoints, `norm1.weight` in the network."""

AVERAGED = re.compile(r"(^|[._])(ema|teacher)([._]|$)")
"""Running averages of the weights: where they lie beside the raw ones, they are those to use, as in timm."""


@dataclass(frozen=True)
class Entry:
    """A part of a checkpoint under the names of a network."""

    where: str
    """The keys and the prefix that lead to it: `state_dict.module.`; empty for a bare state dict."""
    state: State
    """Name in the network -> tensor."""
    beside: tuple[str, ...]
    """Names of the same mapping that don't have the prefix."""
    matches: int
    """How many of its names the network has."""
    twins: bool = False
    """Whether another part of the file fits as well."""


def find_entry(content: Any, names: set[str]) -> Entry | None:
    """The part of `content` that has most of a network's names, under whichever common prefix.

    Args:
        content: what a checkpoint file holds; the weights may be nested in it (`state_dict`, `model`, ...).
        names: the network's own names.

    Returns:
        None where there are no named tensors at all.
    """
    found = [entry for where, state in _states(content) for entry in _unprefixed(where, state, names)]
    if not found:
        return None
    most = max(entry.matches for entry in found)
    best = [entry for entry in found if entry.matches == most]
    largest = max(best, key=lambda entry: len(entry.state))
    chosen = next((entry for entry in best if AVERAGED.search(entry.where)), largest)
    return replace(chosen, twins=len(best) > 1)


def _states(content: Any, where: str = "") -> Iterator[tuple[str, State]]:
    """Every mapping in the file that holds tensors, and the keys that lead to it."""
    if not isinstance(content, Mapping):
        return
    own = {OLD_DENSENET.sub(r"\1\2.", str(k)): v for k, v in content.items() if isinstance(v, torch.Tensor)}
    if own:
        yield where, own
    for key, value in content.items():
        yield from _states(value, f"{where}{key}.")


def _unprefixed(where: str, state: State, names: set[str]) -> Iterator[Entry]:
    """`state` under each prefix whose removal gives the most of the network's names."""
    fits = Counter(name[:cut] for name in state for cut in (0, *_ends(name)) if name[cut:] in names)
    most = max(fits.values(), default=0)
    for prefix in [prefix for prefix, count in fits.items() if count == most] or [""]:
        inside = {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
        beside = tuple(name for name in state if not name.startswith(prefix))
        yield Entry(where + prefix, inside, beside, most)


def _ends(name: str) -> Iterator[int]:
    return (match.end() for match in re.finditer(r"\.", name))
