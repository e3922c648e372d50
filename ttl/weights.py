"""Checkpoints: read without unpickling, seen through their wrappers, fitted into a model or refused."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from ttl.errors import WeightsError

State = dict[str, torch.Tensor]

PREFIXES = ("_orig_mod.", "module.", "model.", "backbone.", "encoder.", "net.", "student.", "teacher.")
"""What trainers put before a network's own names."""

OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")
"""`norm.1.weight` in the first torchvision checkpoints, `norm1.weight` in the network."""

NAMED = 3


@dataclass(frozen=True)
class WeightsReport:
    """Where a network's weights came from, and what of it they cover. Counts and names of tensors."""

    source: str
    """`pretrained`, `none` (random) or the name of a file."""
    loaded: int
    missing: tuple[str, ...] = ()
    """Not in the file: left at random."""
    ignored: tuple[str, ...] = ()
    """In the file and not used, as a classifier of another width."""
    sha256: str | None = None
    """Of the file."""

    def summary(self) -> str:
        """One line: what was loaded, what starts at random, what was left aside."""
        if self.source == "none":
            return f"random weights ({self.loaded} tensors), nothing pretrained"
        parts = [f"{self.loaded} tensors loaded from {self.source}"]
        if self.missing:
            parts.append(f"{len(self.missing)} missing, start at random: {_by_module(self.missing)}")
        if self.ignored:
            parts.append(f"{len(self.ignored)} ignored: {_by_module(self.ignored)}")
        return "; ".join(parts)


def _by_module(names: tuple[str, ...]) -> str:
    """`layer4 (30 tensors), fc (2)`: grouped by top-level module, by one level more inside `features`."""
    depth = 2 if len({name.split(".")[0] for name in names}) == 1 else 1
    counts = Counter(".".join(name.split(".")[:-1][:depth]) or name for name in names)
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def load_checkpoint(model: nn.Module, path: Path, *, classifier: str | None) -> WeightsReport:
    """Load a file into `model`: a whole network, one without its classifier, or only its lower part.

    Args:
        model: changed in place.
        path: a `.safetensors` file, or one that `torch.save` wrote.
        classifier: the path of the model's classifier, whose width may differ; None if it isn't known.

    Raises:
        WeightsError: the file can't be read, holds objects, or is of another network.
    """
    state = _unprefixed(_read(path), set(model.state_dict()))
    expected = model.state_dict()
    fitting = {name: t for name, t in state.items() if name in expected and expected[name].shape == t.shape}
    head = _head_names(classifier, state, expected)
    strangers = [name for name in state if name not in fitting and name not in head]
    if not _weights(fitting) or strangers:
        raise WeightsError(_misfit(path, model, state, fitting, strangers))
    if holes := _holes(fitting, expected):
        raise WeightsError(
            f"The weights {path} are of another network than {type(model).__name__}: they have nothing for "
            f"{holes[0]}{f' and {len(holes) - 1} more' if holes[1:] else ''}, but fit what lies above; "
            "name the network that they were saved from with --model"
        )
    model.load_state_dict(fitting, strict=False)
    missing = [name for name in expected if name not in fitting and not name.endswith("num_batches_tracked")]
    return WeightsReport(
        path.name, len(fitting), tuple(missing), tuple(n for n in state if n not in fitting), _sha256(path)
    )


def _weights(state: Mapping[str, torch.Tensor]) -> list[str]:
    return [name for name, tensor in state.items() if tensor.dim() > 1]


def _holes(fitting: State, expected: Mapping[str, torch.Tensor]) -> list[str]:
    """Weights that the file lacks below others that it has: a lower part of this network has none."""
    names = _weights(expected)
    last = max(i for i, name in enumerate(names) if name in fitting)
    return [name for name in names[:last] if name not in fitting]


def _head_names(classifier: str | None, state: State, expected: Mapping[str, torch.Tensor]) -> set[str]:
    """Names in the file that belong to a classifier: the model's own, or one behind all that fits."""
    names = {name for name in state if classifier and name.startswith(f"{classifier}.")}
    # The head of a model that ttl cut, and those of networks of the same trunk under another name.
    names |= {n for n in state if n.startswith("ttl_head.")}
    usual = ("fc.", "classifier.", "head.", "head_fc.", "last_linear.", "heads.")
    return names | {n for n in state if n.startswith(usual) and n not in expected}


def _misfit(path: Path, model: nn.Module, state: State, fitting: State, strangers: list[str]) -> str:
    expected = model.state_dict()
    shown = strangers[:NAMED] or list(state)[:NAMED]
    reasons = [
        f"{name} is {_shape(state[name])} in the file and {_shape(expected[name])} in the network"
        if name in expected
        else f"{name} isn't in the network"
        for name in shown
    ]
    more = f" and {len(strangers) - NAMED} more" if len(strangers) > NAMED else ""
    return (
        f"The weights {path} don't fit {type(model).__name__}: {len(fitting)} of {len(state)} tensors do, but "
        f"{'; '.join(reasons)}{more}; name the network that they were saved from with --model"
    )


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _read(path: Path) -> State:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "doesn't exist"
        raise WeightsError(f"The weights file {path} {what}: give a checkpoint, or --weights default or none")
    try:
        if path.suffix == ".safetensors":
            content: Any = safetensors.torch.load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "weights_only" not in str(error).lower() and "unsupported" not in str(error).lower():
            raise WeightsError(_unreadable(path)) from error
        raise WeightsError(
            f"The weights file {path} holds Python objects, which could run code and so aren't read: "
            "save the network's state_dict() alone"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise WeightsError(_unreadable(path)) from error
    state = _unwrapped(content)
    if not state:
        raise WeightsError(f"The weights file {path} holds no named tensors: save the network's state_dict()")
    return {OLD_DENSENET.sub(r"\1\2.", name): tensor for name, tensor in state.items()}


def _unreadable(path: Path) -> str:
    size = path.stat().st_size
    return f"The weights file {path} can't be read as a checkpoint ({size} bytes): it is damaged or something else"


def _unwrapped(content: Any) -> State:
    """The mapping of names to tensors, wherever in the file it is; the largest where there are several."""
    if not isinstance(content, Mapping):
        return {}
    own = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    inner = [_unwrapped(value) for value in content.values() if isinstance(value, Mapping)]
    return max([own, *inner], key=len)


def _unprefixed(state: State, names: set[str]) -> State:
    """The state under the prefix, if any, without which most of it has the model's names."""
    best = state
    candidates = [state]
    while candidates:
        current = candidates.pop()
        if len(current.keys() & names) > len(best.keys() & names):
            best = current
        for prefix in PREFIXES:
            if any(name.startswith(prefix) for name in current) and (
                shorter := {n.removeprefix(prefix): t for n, t in current.items() if n.startswith(prefix)}
            ):
                candidates.append(shorter)
    return best


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
