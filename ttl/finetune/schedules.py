"""Learning rate schedules as data, and the rule that ends a phase."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import Field

from ttl.finetune.definition import Count, Defined, NotNegative, Registered, Share

if TYPE_CHECKING:  # recipes are listed without torch
    from torch import optim

Epochs = Annotated[int, Field(ge=0)]


class Scheduler(Protocol):
    """A schedule at work on one optimizer. It keeps its state in the checkpoint, through the last two methods."""

    @property
    def lr(self) -> float:
        """What the learning rate has come down to; a warm-up, which only begins low, is left aside."""

    def step_batch(self, done: float) -> None:
        """A step of the optimizer was made, and with it so great a share of the epoch is done."""

    def step(self, epoch: int, score: float) -> None:
        """An epoch was made, of this number in its phase, from 1; the score of its validation is better if higher."""

    def state_dict(self) -> Any:
        """Plain values, as `torch.save` keeps them."""

    def load_state_dict(self, state_dict: Any) -> None:
        """Go on from there; the optimizer has its own state back already."""


@dataclass(frozen=True)
class Schedule(Registered):
    """What every schedule has."""

    @abstractmethod
    def make(self, optimizer: optim.Optimizer, batch: float) -> Scheduler:
        """Put it to work on the learning rates of an optimizer's groups, of which a step is `batch` of an epoch."""

    @abstractmethod
    def lowest(self, lr: float) -> float:
        """What a learning rate of `lr` comes down to in the end."""

    @property
    def words(self) -> str:
        """What a reader must know beside the stop rule; nothing where that says it."""
        return ""


@dataclass(frozen=True)
class Plateau(Schedule):
    """The learning rate falls when the validation figure stagnates."""

    name: ClassVar[str] = "plateau"

    patience: Epochs = 5  # epochs without a better figure that it bears, before the next one multiplies it by `factor`
    factor: Share = 0.5
    min_delta: NotNegative = 0.0  # a better figure must be better by more than this
    floor: NotNegative = 0.0  # it never falls below this

    def make(self, optimizer: optim.Optimizer, batch: float) -> Scheduler:
        """See `Schedule`."""
        return _OnPlateau(self, optimizer)

    def lowest(self, lr: float) -> float:
        """See `Schedule`."""
        return min(lr, self.floor)


class _OnPlateau:
    def __init__(self, rule: Plateau, optimizer: optim.Optimizer) -> None:
        from torch.optim.lr_scheduler import ReduceLROnPlateau

        self.torchs = ReduceLROnPlateau(
            optimizer, "max", rule.factor, rule.patience, rule.min_delta, threshold_mode="abs", min_lr=rule.floor
        )
        self.state_dict, self.load_state_dict = self.torchs.state_dict, self.torchs.load_state_dict

    @property
    def lr(self) -> float:
        return float(self.torchs.optimizer.param_groups[0]["lr"])

    def step_batch(self, done: float) -> None:
        pass

    def step(self, epoch: int, score: float) -> None:
        self.torchs.step(score)


@dataclass(frozen=True)
class Steps(Schedule):
    """The learning rate is multiplied by `factor` after the epochs `at`, and may rise from near 0 in the first ones."""

    name: ClassVar[str] = "steps"

    at: tuple[Count, ...]
    factor: Share = 0.1
    # over these it rises in equal parts, a part each step, to what it would be without a warm-up (Goyal et al. 2017,
    # section 2.2, from 0).
    warmup_epochs: Epochs = 0

    def make(self, optimizer: optim.Optimizer, batch: float) -> Scheduler:
        """See `Schedule`."""
        return _InSteps(self, optimizer, batch)

    def lowest(self, lr: float) -> float:
        """See `Schedule`."""
        return lr * self.factor ** len(self.at)

    @property
    def words(self) -> str:
        """See `Schedule`."""
        falls = f"times {self.factor:g} after epoch {', '.join(map(str, self.at))}" if self.at else ""
        rises = f"rising over the first {self.warmup_epochs} epochs" if self.warmup_epochs else ""
        return ", ".join(part for part in (rises, falls) if part)


class _InSteps:
    def __init__(self, steps: Steps, optimizer: optim.Optimizer, batch: float) -> None:
        self.steps, self.optimizer, self.batch = steps, optimizer, batch
        self.first = [float(group["lr"]) for group in optimizer.param_groups]
        self.step(0, score=0.0)

    @property
    def lr(self) -> float:
        return self.first[0] * self.fallen

    def step_batch(self, done: float) -> None:
        rising = self.steps.warmup_epochs
        risen = min(1.0, (self.epochs_done + done + self.batch) / rising) if rising else 1.0
        for group, first in zip(self.optimizer.param_groups, self.first, strict=True):
            group["lr"] = first * self.fallen * risen

    def step(self, epoch: int, score: float) -> None:
        self.epochs_done = epoch
        self.fallen = float(self.steps.factor ** sum(at <= epoch for at in self.steps.at))
        self.step_batch(0.0)

    def state_dict(self) -> dict[str, int]:
        return {"epochs_done": self.epochs_done}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.step(state_dict["epochs_done"], score=0.0)


SCHEDULES: dict[str, type[Schedule]] = {kind.name: kind for kind in (Plateau, Steps)}


@dataclass(frozen=True)
class Stop(Defined):
    """When a phase ends: as soon as one of these is so."""

    epochs: Count | None = None  # so many were made; None has no limit
    after: Count | None = None  # so many in a row brought nothing better; None bears any number
    below_lr: NotNegative = 1e-7  # the learning rate has come down below this

    def is_due(self, *, epochs: int, since_best: int, lr: float) -> bool:
        """Whether a phase ends that has made so many epochs, `since_best` of them since its best one."""
        spent = self.epochs is not None and epochs >= self.epochs
        flat = self.after is not None and since_best >= self.after
        return spent or flat or lr < self.below_lr

    @property
    def words(self) -> str:
        """When it ends, in a few words."""
        if self.epochs == 1:
            return "one epoch"
        if self.after:
            limit = f", at most {self.epochs}" if self.epochs else ""
            return f"until {self.after} epochs bring nothing better{limit}"
        return f"at most {self.epochs} epochs" if self.epochs else f"until the learning rate is below {self.below_lr:g}"
