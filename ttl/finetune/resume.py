"""The state of a fine-tune under way, on disk after each epoch, so that it can go on where it was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias
from zipfile import ZipFile

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ttl.errors import RunFolderError
from ttl.files import provisional
from ttl.finetune.epoch import Epoch

FORMAT = 2
LARGEST_SHARE = 0.1
"""Of the time, that saving may take: a large network with short epochs isn't saved after each of them."""

Weights = Mapping[str, torch.Tensor]
Opaque: TypeAlias = dict[str, Any]  # a state dict of torch's own, whose content is torch's affair
WITH_TENSORS = ConfigDict(arbitrary_types_allowed=True)


@dataclass(frozen=True)
class Best:
    """The best epoch so far."""

    __pydantic_config__ = WITH_TENSORS

    score: float = float("-inf")  # of its validation, the higher the better
    epoch: int = 0  # its number; 0 is the state before the first one
    # The model's state then; in a checkpoint nothing, if it is the last epoch, whose state is the model's.
    weights: Weights | None = None


@dataclass(frozen=True)
class Stage:
    """How far the phase under way is: its number, from 0, and of its epochs how many, the best score and its age."""

    number: int = 0
    done: int = 0
    best: float = float("-inf")
    since_best: int = 0

    def after(self, score: float) -> Stage:
        """One epoch further."""
        best, since = (score, 0) if score > self.best else (self.best, self.since_best + 1)
        return replace(self, done=self.done + 1, best=best, since_best=since)


@dataclass(frozen=True)
class State:
    """All that decides how a fine-tune goes on."""

    __pydantic_config__ = WITH_TENSORS

    model: Weights  # dressed, if it wears an adapter
    best: Best
    stage: Stage
    curve: tuple[Epoch, ...]
    notes: tuple[str, ...]
    optimizer: Opaque
    schedule: Opaque
    scaler: Opaque | None  # of the loss in half precision; None where there is none
    generator: torch.Tensor  # random state of order and augmentation
    rng: torch.Tensor  # torch's random state, of dropout; `cuda_rng` likewise on a CUDA device
    cuda_rng: torch.Tensor | None

    def plain(self) -> Opaque:
        """Tensors and plain values, for `torch.save`."""
        content: Opaque = _STATE.dump_python(self)
        return content

    @classmethod
    def of(cls, content: object) -> State | None:
        """What `plain` made; None where it is anything else."""
        try:
            return _STATE.validate_python(content)
        except ValidationError:
            return None


_STATE = TypeAdapter(State)


class Checkpoint:
    """A file that holds the state of one fine-tune; without a path nothing is kept.

    What it is the state of, its `identity`, must be the same when it is read: a state of something else counts as none.
    """

    def __init__(self, path: Path | None, identity: Mapping[str, str]) -> None:
        self.path = path
        self.identity = dict(identity)
        self.saved_at, self.cost = perf_counter(), 0.0

    def load(self) -> State | None:
        """The last state; None where there is none that can be used."""
        return None if self.path is None else _read(self.path, self.identity)

    def save(self, state: State, *, must: bool = False) -> None:
        """Keep a state; unless it `must` be, skipped while saving would take more than its share of time.

        Raises:
            RunFolderError: no room, or no right to write.
        """
        start = perf_counter()
        if self.path is None or (not must and (start - self.saved_at) * LARGEST_SHARE < self.cost):
            return
        try:
            with provisional(self.path) as part:
                torch.save({"format": FORMAT, "identity": self.identity, "state": state.plain()}, part)
        except (OSError, RuntimeError) as error:  # torch's writer reports a full disk as a RuntimeError
            raise RunFolderError(
                f"The state of the fine-tune can't be kept in {self.path.parent} "
                f"({getattr(error, 'strerror', None) or 'no room left, or the disk failed'}): make room and give the "
                "same command again, what was computed is kept"
            ) from error
        self.saved_at = perf_counter()
        self.cost = self.saved_at - start


def epochs_done(path: Path) -> int:
    """How many epochs a state on disk has behind it; 0 where there is none."""
    state = _read(path)
    return 0 if state is None else len(state.curve)


def is_whole(path: Path) -> bool:
    """Whether a file holds a state that can be used, by a fine-tune of the same recipe and settings."""
    return _read(path) is not None


def _read(path: Path, identity: Mapping[str, str] | None = None) -> State | None:
    """What the file holds; None where it isn't there, isn't whole, of another version, or of another identity."""
    try:
        with ZipFile(path) as parts:  # torch's file is one, with a checksum of each tensor, which torch doesn't look at
            if parts.testzip() is not None:
                return None
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception:  # what a wrong byte makes zip, its decompressors and the unpickler raise has no common class
        return None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    return State.of(content.get("state")) if identity in (None, content.get("identity")) else None
