"""How far a fine-tune is: all that decides how it goes on, as its checkpoint holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ttl.finetune.epoch import Epoch

Weights = Mapping[str, torch.Tensor]
Opaque: TypeAlias = dict[str, Any]
"""A state dict of torch's own, whose content is torch's affair."""
WITH_TENSORS = ConfigDict(arbitrary_types_allowed=True)


@dataclass(frozen=True)
class Best:
    """The best epoch so far.

    Attributes:
        score: of its validation, the higher the better.
        epoch: its number; 0 is the state before the first one.
        weights: the model's state then; in a checkpoint nothing, if it is the last epoch, whose state is the model's.
    """

    __pydantic_config__ = WITH_TENSORS

    score: float = float("-inf")
    epoch: int = 0
    weights: Weights | None = None


@dataclass(frozen=True)
class Stage:
    """How far the phase under way is.

    Attributes:
        number: of the phase, from 0.
        done: epochs of it.
        best: the highest score of these.
        since_best: how many epochs ago that was.
    """

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
    """All that decides how a fine-tune goes on.

    Attributes:
        model: its state dict, dressed if it wears an adapter.
        best: the best epoch so far.
        stage: of the phase under way.
        curve: the epochs so far.
        notes: for the report, so far.
        optimizer: its state dict.
        schedule: likewise.
        scaler: likewise, of the loss in half precision; None where there is none.
        generator: random state of order and augmentation.
        rng: torch's random state, of dropout.
        cuda_rng: likewise on a CUDA device.
    """

    __pydantic_config__ = WITH_TENSORS

    model: Weights
    best: Best
    stage: Stage
    curve: tuple[Epoch, ...]
    notes: tuple[str, ...]
    optimizer: Opaque
    schedule: Opaque
    scaler: Opaque | None
    generator: torch.Tensor
    rng: torch.Tensor
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
