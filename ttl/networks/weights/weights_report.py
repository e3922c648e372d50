"""What of a network's weights was loaded, is missing, was ignored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

COUNTERS = ("num_batches_tracked", "total_ops", "total_params")
"""Tensors that no output depends on: BatchNorm's step count, and what the profiler thop leaves behind."""


@dataclass(frozen=True)
class WeightsReport:
    """Where a network's weights came from, and what of it they cover. Counts and names of tensors."""

    source: str
    """`pretrained`, `none` (random) or the name of a file."""
    loaded: int
    missing: tuple[str, ...] = ()
    """The model's names that are not in the file and stay at random, BatchNorm's step counts left out."""
    ignored: tuple[str, ...] = ()
    """Names in the file that were not used, such as a classifier of another width."""
    sha256: str | None = None
    """Of the file."""
    entry: str = ""
    """Which part of the file was read, where it holds several that fit: `state_dict_ema`."""

    def summary(self) -> str:
        """One line: what was loaded, what starts at random, what was left aside."""
        if self.source == "none":
            return f"random weights ({len(self.missing)} tensors), nothing pretrained"
        part = f" ({self.entry})" if self.entry else ""
        parts = [f"{_tensors(self.loaded)} loaded from {self.source}{part}"]
        if self.missing:
            parts.append(f"{len(self.missing)} missing, start at random: {by_module(self.missing)}")
        if self.ignored:
            parts.append(f"{len(self.ignored)} ignored: {by_module(self.ignored)}")
        return "; ".join(parts)


def trainable_or_statistic(names: Iterable[str]) -> tuple[str, ...]:
    """The names of tensors that outputs depend on: all but the counters."""
    return tuple(name for name in names if name.rpartition(".")[2] not in COUNTERS)


def by_module(names: tuple[str, ...]) -> str:
    """`layer4 (30 tensors), fc (2)`: by top-level module, by one level more where all lie in one, or in an encoder."""
    depth = 2 if len({name.split(".")[0] for name in names}) == 1 else 1
    counts = Counter(_place(name, 2 if name.startswith("encoder.") else depth) for name in names)
    first, *rest = counts.items()
    return ", ".join([f"{first[0]} ({_tensors(first[1])})", *(f"{name} ({count})" for name, count in rest)])


def _place(name: str, depth: int) -> str:
    return ".".join(name.split(".")[:-1][:depth]) or name


def _tensors(count: int) -> str:
    return f"{count} tensor{'s' * (count != 1)}"
