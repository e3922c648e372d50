"""A checkpoint -> a model with its weights: the whole network, all but its classifier, or its lower part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ttl.errors import WeightsError
from ttl.networks.weights.entries import Entry, State, find_entry
from ttl.networks.weights.read import read, sha256
from ttl.networks.weights.weights_report import WeightsReport, trainable_or_statistic

HEADS = {"fc", "classifier", "head", "heads", "last_linear", "ttl_head"}
"""What classifiers are called; under such a name a file may hold one that the network doesn't have."""

NAMED = 3  # how many of the tensors that don't fit are named


def load_checkpoint(model: nn.Module, path: Path, *, network: str, classifier: Sequence[str] = ()) -> WeightsReport:
    """Load a file into `model`: a whole network, one without its classifier, or only its lower part.

    Args:
        model: changed in place.
        path: a `.safetensors` file, or one that `torch.save` wrote.
        network: what the user calls the model, for messages.
        classifier: paths of the model's classifiers, whose width may differ.

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
        model: changed in place.
        content: mappings, nested or not, of names to tensors.
        source: what the user calls the weights, for messages.
        network: what the user calls the model, for messages.
        classifier: paths of the model's classifiers, whose width may differ.

    Raises:
        WeightsError: it holds no tensors, or those of another network; the first that don't fit are named.
    """
    expected = model.state_dict()
    entry = find_entry(content, set(expected))
    if entry is None:
        raise WeightsError(f"The weights {source} hold no named tensors: save the network's state_dict()")
    fitting = {n: t for n, t in entry.state.items() if n in expected and expected[n].shape == t.shape}
    heads = _heads(classifier, entry.state, expected)
    if strangers := _strangers(entry.state, fitting, expected, heads):
        raise WeightsError(_misfit(source, network, entry.state, fitting, strangers, expected))
    if gaps := _gaps(fitting, expected, heads):
        raise WeightsError(_partial(source, network, len(fitting), gaps))
    model.load_state_dict(fitting, strict=False)
    return _report(source, entry, fitting, expected)


def _report(source: str, entry: Entry, fitting: State, expected: Mapping[str, torch.Tensor]) -> WeightsReport:
    missing = trainable_or_statistic(name for name in expected if name not in fitting)
    ignored = trainable_or_statistic(name for name in entry.state if name not in fitting)
    where = entry.where.rstrip(".") if entry.twins else ""
    return WeightsReport(source, len(fitting), missing, ignored + entry.beside, entry=where)


def _heads(classifier: Sequence[str], state: State, expected: Mapping[str, torch.Tensor]) -> set[str]:
    """The names, in the file or in the model, that belong to a classifier."""
    tops = HEADS | {_top(path) for path in classifier}
    inside = tuple(f"{path}." for path in classifier)
    return {
        name for name in {*state, *expected} if name.startswith(inside) or (name not in expected and _top(name) in tops)
    }


def _strangers(state: State, fitting: State, expected: Mapping[str, torch.Tensor], heads: set[str]) -> list[str]:
    """What the file holds and the model has no place for, and that isn't a classifier of its own."""
    found = [name for name in trainable_or_statistic(state) if name not in fitting and name not in heads]
    if any(name not in fitting and name not in heads for name in trainable_or_statistic(expected)):
        return found
    # The model has all it needs: what is left can be something on top of it, such as a projection head.
    tops = {_top(name) for name in expected}
    return [name for name in found if _top(name) in tops]


def _gaps(fitting: State, expected: Mapping[str, torch.Tensor], heads: set[str]) -> list[str]:
    """What the file lacks below something that it has: the lower part of this network would lack nothing."""
    body = [name for name in trainable_or_statistic(expected) if name not in heads]
    last = max((i for i, name in enumerate(body) if name in fitting), default=len(body) - 1)
    return [name for name in body[: last + 1] if name not in fitting]


def _misfit(
    source: str, network: str, state: State, fitting: State, strangers: list[str], expected: Mapping[str, torch.Tensor]
) -> str:
    reasons = [_misfit_of(name, state, expected) for name in strangers[:NAMED]]
    count = f"{len(fitting)} of their {len(state)} tensors do, but" if fitting else "no tensor of theirs does,"
    return (
        f"The weights {source} don't fit {network}: {count} "
        f"{'; '.join(reasons)}{_more(strangers)}: give --model the network that they were saved from"
    )


def _misfit_of(name: str, state: State, expected: Mapping[str, torch.Tensor]) -> str:
    if name not in expected:
        return f"{name} isn't in the network"
    return f"{name} is {_shape(state[name])} in the file and {_shape(expected[name])} in the network"


def _partial(source: str, network: str, fitting: int, gaps: list[str]) -> str:
    return (
        f"The weights {source} don't fit {network}: {fitting} of their tensors do, but the network needs "
        f"{', '.join(gaps[:NAMED])}{_more(gaps)} at or below them: give --model the network that they were "
        "saved from, or a file with all of its lower part"
    )


def _more(names: list[str]) -> str:
    return f" and {len(names) - NAMED} more" if len(names) > NAMED else ""


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _top(name: str) -> str:
    return name.partition(".")[0]
