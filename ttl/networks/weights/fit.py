"""A checkpoint -> a model with its weights: the whole network, all but its classifier, or its lower part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ttl.errors import WeightsError
from ttl.files import sha256
from ttl.networks.weights.read import State, find_entry, read
from ttl.words.counts import counted, listed

COUNTERS = ("num_batches_tracked", "total_ops", "total_params")
"""Tensors that no output depends on: BatchNorm's step count, and what the profiler thop leaves behind."""

HEADS = {"fc", "classifier", "head", "heads", "last_linear", "ttl_head"}
"""What classifiers are called; under such a name a file may hold one that the network doesn't have."""

NAMED = 3  # how many of the tensors that don't fit are named


@dataclass(frozen=True)
class WeightsReport:
    """Where a network's weights came from, and what of it they cover. Counts and names of tensors."""

    source: str  # `pretrained`, `none` (random) or the name of a file
    loaded: int
    missing: tuple[str, ...] = ()
    """The model's names that are not in the file and stay at random, BatchNorm's step counts left out."""
    ignored: tuple[str, ...] = ()  # names in the file that were not used, such as a classifier of another width
    sha256: str | None = None  # of the file
    entry: str = ""  # which part of the file was read, where it holds several that fit: `state_dict_ema`

    def summary(self) -> str:
        """One line: what was loaded, what starts at random, what was left aside."""
        if self.source == "none":
            return f"random weights ({len(self.missing)} tensors), nothing pretrained"
        part = f" ({self.entry})" if self.entry else ""
        parts = [f"{counted(self.loaded, 'tensor')} loaded from {self.source}{part}"]
        if self.missing:
            parts.append(f"{len(self.missing)} missing, start at random: {_by_module(self.missing)}")
        if self.ignored:
            parts.append(f"{len(self.ignored)} ignored: {_by_module(self.ignored)}")
        return "; ".join(parts)


def _by_module(names: tuple[str, ...]) -> str:
    """`layer4 (30 tensors), fc (2)`: by top-level module, by one level more where all lie in one, or in an encoder."""
    depth = 2 if len({_top(name) for name in names}) == 1 else 1
    depths = {name: 2 if name.startswith("encoder.") else depth for name in names}
    counts = Counter(".".join(name.split(".")[:-1][: depths[name]]) or name for name in names)
    (first, number), *rest = counts.items()
    return ", ".join([f"{first} ({counted(number, 'tensor')})", *(f"{name} ({count})" for name, count in rest)])


def trainable_or_statistic(names: Iterable[str]) -> tuple[str, ...]:
    """The names of tensors that outputs depend on: all but the counters."""
    return tuple(name for name in names if name.rpartition(".")[2] not in COUNTERS)


def load_checkpoint(model: nn.Module, path: Path, *, network: str, classifier: Sequence[str] = ()) -> WeightsReport:
    """Load a `.safetensors` file, or one that `torch.save` wrote, into `model`: see `fit`.

    Raises:
        WeightsError: the file can't be read, holds objects, or is of another network.
    """
    report = fit(model, read(path), source=str(path), network=network, classifier=classifier)
    return replace(report, source=path.name, sha256=sha256(path))


def fit(model: nn.Module, content: Any, *, source: str, network: str, classifier: Sequence[str] = ()) -> WeightsReport:
    """Load what a checkpoint holds into `model`, or refuse it whole.

    All of it must be in the model with its shape, a classifier apart, and must be all of the model up to
    some depth: what else has names in common with the model is another network.

    Args:
        content: mappings, nested or not, of names to tensors.
        source: what the user calls the weights, for messages; `network` is what they call the model.
        classifier: paths of the model's classifiers, whose width may differ.

    Raises:
        WeightsError: it holds no tensors, or those of another network; the first that don't fit are named.
    """
    expected = model.state_dict()
    entry = find_entry(content, set(expected))
    if entry is None:
        raise WeightsError(f"The weights {source} hold no named tensors: save the network's state_dict()")
    state = entry.state
    fitting = {n: t for n, t in state.items() if n in expected and expected[n].shape == t.shape}
    heads = _heads(classifier, state, expected)
    if strangers := _strangers(state, fitting, expected, heads):
        reasons = "; ".join(_misfit(name, state, expected) for name in strangers[:NAMED])
        count = f"{len(fitting)} of their {len(state)} tensors do, but" if fitting else "no tensor of theirs does,"
        more = f" and {len(strangers) - NAMED} more" if len(strangers) > NAMED else ""
        raise WeightsError(
            f"The weights {source} don't fit {network}: {count} {reasons}{more}: give --model the network "
            "that they were saved from"
        )
    if gaps := _gaps(fitting, expected, heads):
        raise WeightsError(
            f"The weights {source} don't fit {network}: {len(fitting)} of their tensors do, but the network needs "
            f"{listed(gaps, NAMED)} at or below them: give --model the network that they were "
            "saved from, or a file with all of its lower part"
        )
    model.load_state_dict(fitting, strict=False)
    missing = trainable_or_statistic(name for name in expected if name not in fitting)
    ignored = trainable_or_statistic(name for name in state if name not in fitting)
    where = entry.where.rstrip(".") if entry.twins else ""
    return WeightsReport(source, len(fitting), missing, ignored + entry.beside, entry=where)


def _heads(classifier: Sequence[str], state: State, expected: Mapping[str, torch.Tensor]) -> set[str]:
    """The names, in the file or in the model, that belong to a classifier."""
    tops = HEADS | {_top(path) for path in classifier}
    inside = tuple(f"{path}." for path in classifier)
    names = {*state, *expected}
    return {n for n in names if n.startswith(inside) or (n not in expected and _top(n) in tops)}


def _strangers(state: State, fitting: State, expected: Mapping[str, torch.Tensor], heads: set[str]) -> list[str]:
    """What the file holds and the model has no place for, and that isn't a classifier of its own."""
    strangers = [name for name in trainable_or_statistic(state) if name not in fitting and name not in heads]
    if any(name not in fitting and name not in heads for name in trainable_or_statistic(expected)):
        return strangers
    # The model has all it needs: what is left can be something on top of it, such as a projection head.
    tops = {_top(name) for name in expected}
    return [name for name in strangers if _top(name) in tops]


def _gaps(fitting: State, expected: Mapping[str, torch.Tensor], heads: set[str]) -> list[str]:
    """What the file lacks below something that it has: the lower part of this network would lack nothing."""
    body = [name for name in trainable_or_statistic(expected) if name not in heads]
    last = max((i for i, name in enumerate(body) if name in fitting), default=len(body) - 1)
    return [name for name in body[: last + 1] if name not in fitting]


def _misfit(name: str, state: State, expected: Mapping[str, torch.Tensor]) -> str:
    if name not in expected:
        return f"{name} isn't in the network"
    own, there = ("x".join(map(str, tensors[name].shape)) or "a number" for tensors in (state, expected))
    return f"{name} is {own} in the file and {there} in the network"


def _top(name: str) -> str:
    return name.partition(".")[0]
