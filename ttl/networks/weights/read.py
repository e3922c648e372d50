"""A checkpoint file -> the mapping of names to tensors that is a given network's; nothing in it can run code."""

from __future__ import annotations

import argparse
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from ttl.errors import WeightsError

State = dict[str, torch.Tensor]

HARMLESS = (argparse.Namespace,)  # plain data that trainers (timm's among them) put beside the weights

OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")
"""`norm.1.weight` in the first torchvision checkpoints, `norm1.weight` in the network."""

AVERAGED = re.compile(r"(^|[._])(ema|teacher)([._]|$)")
"""Running averages of the weights: where they lie beside the raw ones, they are those to use, as in timm."""


def read(path: Path) -> Any:
    """The content of a `.safetensors` file, or of one that `torch.save` wrote, whatever its suffix.

    Raises:
        WeightsError: there is no such file, it is damaged, or it holds Python objects.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "doesn't exist"
        raise WeightsError(f"The weights file {path} {what}: give a checkpoint, or --weights default or none")
    try:
        with path.open("rb") as file:
            is_safetensors = file.read(9)[8:] == b"{"  # eight bytes of length, then a JSON object
        if is_safetensors:
            return safetensors.torch.load_file(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals([*HARMLESS]):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise nearly anything on bytes that aren't theirs
        raise WeightsError(_why(path, error)) from error


def _why(path: Path, error: Exception) -> str:
    if "Unsupported global" in str(error) or "Unsupported class" in str(error):
        classes = ""
        if zipfile.is_zipfile(path):  # the present format, which can list them: ` (numpy.dtype, my.Net)`
            harmless = {f"{kind.__module__}.{kind.__qualname__}" for kind in HARMLESS}
            unsafe = sorted(set(torch.serialization.get_unsafe_globals_in_checkpoint(path)) - harmless)
            classes = f" ({', '.join(unsafe[:3])})" if unsafe else ""
        return (
            f"The weights file {path} holds Python objects{classes}, which could run code and so "
            "aren't read: load it where it was made and save the network's state_dict() alone"
        )
    if "TorchScript" in str(error):
        return f"The weights file {path} is a TorchScript program: save the state_dict() of torch.jit.load(FILE)"
    if isinstance(error, PermissionError):
        return f"The weights file {path} can't be opened: permission denied, change it or give another file"
    size = path.stat().st_size
    return (
        f"The weights file {path} can't be read as a checkpoint ({size} bytes): it is damaged or something "
        "else, give a file that torch.save or safetensors wrote"
    )


@dataclass(frozen=True)
class Entry:
    """A part of a checkpoint under the names of a network."""

    where: str  # the keys and the prefix that lead to it: `state_dict.module.`; empty for a bare state dict
    state: State  # name in the network -> tensor
    beside: tuple[str, ...]  # names of the same mapping that don't have the prefix
    matches: int  # how many of its names the network has
    twins: bool = False  # whether another part of the file fits as well


def find_entry(content: Any, names: set[str]) -> Entry | None:
    """The part of a checkpoint's content that has most of a network's own names, under whichever common prefix.

    The weights may be nested in it (`state_dict`, `model`, ...); None where there are no named tensors at all.
    """
    entries = [entry for where, state in _states(content) for entry in _unprefixed(where, state, names)]
    if not entries:
        return None
    most = max(entry.matches for entry in entries)
    best = [entry for entry in entries if entry.matches == most]
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
    ends = {name: (0, *(match.end() for match in re.finditer(r"\.", name))) for name in state}
    fits = Counter(name[:cut] for name in state for cut in ends[name] if name[cut:] in names)
    most = max(fits.values(), default=0)
    for prefix in [prefix for prefix, count in fits.items() if count == most] or [""]:
        inside = {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
        beside = tuple(name for name in state if not name.startswith(prefix))
        yield Entry(where + prefix, inside, beside, most)
