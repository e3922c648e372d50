"""Fine-tuning strategies as rows of a table: which parameters train, how BN behaves, when to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ttl.errors import UsageError
from ttl.finetune.definition import Count, Defined, Json, Share, definition
from ttl.finetune.optimizers import Adam, Optimizer
from ttl.finetune.schedules import Plateau, Schedule, Stop

if TYPE_CHECKING:
    from ttl.finetune.adapters.adapter import Adapter

Part = Literal["head", "bn", "all", "above"]
Monitor = Literal["auprc", "auroc", "accuracy", "dice", "jaccard", "loss"]
Option = str | int | float | bool

PARTS: dict[Part, str] = {
    "head": "the head",
    "bn": "scale and shift of batch norms",
    "all": "everything",
    "above": "everything above the freeze point",
}


@dataclass(frozen=True)
class Phase(Defined):
    """A stretch of training with one set of trainable parameters, from the best state of the one before."""

    train: tuple[Part, ...]  # keys of `PARTS`
    bn: Literal["train", "eval"]  # `eval`: batch norms use their running statistics and leave them as they are
    optimizer: Optimizer
    schedule: Schedule = field(default_factory=Plateau)
    stop: Stop = field(default_factory=Stop)  # when the phase ends; the run's cap may end it before
    # the weight of a batch in the running statistics (torch's sense); None is the network's own
    bn_momentum: Share | None = None

    @property
    def name(self) -> str:
        """What trains, joined: `head+bn`."""
        return "+".join(self.train)

    @property
    def ends(self) -> bool:
        """Whether its own stop rule ends it for sure."""
        lowest = self.schedule.lowest(self.optimizer.lr)
        return self.stop.epochs is not None or self.stop.after is not None or lowest < self.stop.below_lr

    def words(self) -> str:
        """What trains, what batch norms do and when it ends, in one line."""
        what = " and ".join(PARTS[part] for part in self.train)
        norms = "batch norms in training mode" if self.bn == "train" else "batch norms stand still"
        momentum = f" (momentum {self.bn_momentum:g})" if self.bn_momentum is not None and self.bn == "train" else ""
        rate = ", ".join(part for part in (self.optimizer.words, self.schedule.words) if part)
        return f"{what} at {rate}; {norms}{momentum}; {self.stop.words}"


@dataclass(frozen=True)
class Recipe(Defined):
    """A published fine-tuning strategy."""

    name: str
    summary: str
    source: str  # where it was published
    phases: tuple[Phase, ...]
    batch_size: Count = 64  # images a step
    augment: str | Mapping[str, Option] = "ttl"  # a preset's name, or the fields of `ttl.data.Augment`
    # the validation figure that decides the schedule and which epoch is kept; where the kind of task has no such
    # figure, the one that it has first: Dice of segmentations
    monitor: Monitor = "auprc"
    dropout: Share = 0.0  # before the linear layer of the head, where the run doesn't say
    random_start: bool = False  # whether the network starts from random weights
    # what the network wears while it trains, by its name in `ttl.finetune.adapters`; None is nothing
    adapter: str | None = None
    adapter_options: Mapping[str, Option] = field(default_factory=dict)  # fields of that adapter

    @property
    def needs_freeze_point(self) -> bool:
        """Whether a phase trains what lies above a point."""
        return any("above" in phase.train for phase in self.phases)

    def at_rate(self, lr: float) -> Recipe:
        """The same with another learning rate in its last phase."""
        *earlier, last = self.phases
        return replace(self, phases=(*earlier, replace(last, optimizer=replace(last.optimizer, lr=lr))))

    def words(self) -> str:
        """Its phases in one line, one after another."""
        worn = f"with {self.adapter}: " if self.adapter else ""
        return worn + "; then ".join(phase.words() for phase in self.phases)

    def definition(self) -> dict[str, Json]:
        """All that decides what it does, as plain data: two recipes of one name in two files differ in it."""
        content = definition(self, without=("summary", "source", "adapter", "adapter_options"))
        adapter = self.made_adapter()
        return content if adapter is None else content | {"adapter": definition(adapter)}

    def made_adapter(self) -> Adapter | None:
        """The adapter with its options; None where there is none.

        Raises:
            UsageError: none has this name.
        """
        if self.adapter is None:
            return None
        from ttl.finetune.adapters import adapter_kind

        return adapter_kind(self.adapter)(**self.adapter_options)


_TTL = "Peng et al., BMVC 2023, section 4"
_LAYER_WISE = f"{_TTL} (layer-wise fine-tuning)"
_K = "Kanavati & Tsuneki, MIDL 2021, Table 2"
_KD = "Kanavati & Tsuneki, MIDL 2021, appendix D"

_ALL = Phase(train=("all",), bn="train", optimizer=Adam(1e-4))
_ABOVE = replace(_ALL, train=("above",))

# Their protocol (appendix B, and the authors' notebook): Adam; on a plateau of the validation loss (one epoch, better
# by 1e-4) the learning rate is divided by five, down to 1e-6; stop after six epochs; best validation loss; dropout 0.5.
# Keras' patience of 1 is 0 in torch's sense (it acts on the first such epoch, not after it), and its BN momentum
# 0.99 and 0.95 are 0.01 and 0.05 in torch's sense.
_SLOWER = Plateau(patience=0, factor=0.2, min_delta=1e-4, floor=1e-6)
_LONG = Stop(epochs=500, after=6)
_FC = Phase(("head",), "eval", Adam(1e-3), _SLOWER, replace(_LONG, epochs=100), bn_momentum=0.01)
_FC_ONCE = replace(_FC, stop=replace(_LONG, epochs=1))
_FC_BMA = replace(_FC, stop=_LONG, bn="train", bn_momentum=0.05)
_BN = replace(_FC, train=("head", "bn"), stop=_LONG)
_BN_SLOW = replace(_BN, optimizer=Adam(1e-5))
_BN_TRAINS = replace(_BN, bn="train")
_FULL = replace(_FC, train=("all",), optimizer=Adam(1e-5), stop=_LONG)
_FULL_TRAINS = replace(_FULL, bn="train")


def _kanavati(name: str, summary: str, *phases: Phase, source: str = _K, random_start: bool = False) -> Recipe:
    row = Recipe(name, summary, source, phases, augment="partial-transfusion", monitor="loss", dropout=0.5)
    return replace(row, random_start=random_start)


_appendix_d = partial(_kanavati, source=_KD)

_ROWS = (
    Recipe("full", "everything, halving 1e-4 when validation AUPRC stagnates", f"{_TTL} (FTL)", (_ALL,)),
    Recipe(
        "unet",
        "a U-Net: everything at 1e-3, small batches, halving when validation Dice stagnates",
        f"the schedule of {_TTL}; a decoder that starts at random needs more and larger steps",
        (replace(_ALL, optimizer=Adam(1e-3)),),
        batch_size=8,
        monitor="dice",
    ),
    _kanavati("fc", "the head alone", _FC),
    _kanavati("fc-then-full", "the head, then everything at 1e-5", _FC, _FULL),
    _kanavati("fc-then-bn", "the head for one epoch, then head and BN scale and shift", _FC_ONCE, _BN),
    _kanavati("fc-bn", "head and BN scale and shift together", _BN),
    _kanavati("fc-then-bn-lr", "the head, then head and BN scale and shift at 1e-5", _FC, _BN_SLOW),
    _kanavati("fc-bma", "the head, while BN's moving averages follow the data", _FC_BMA),
    _kanavati("fc-bn-rnd", "head and BN of a random network", _BN, random_start=True),
    _kanavati("fc-bn-rnd-bma", "head, BN and its moving averages of a random network", _BN_TRAINS, random_start=True),
    _appendix_d(
        "fc-then-full-train-bn", "the head, then everything at 1e-5 with BN in training mode", _FC, _FULL_TRAINS
    ),
    _appendix_d(
        "fc-then-bn-train-bn", "the head for one epoch, then head and BN, BN in training mode", _FC_ONCE, _BN_TRAINS
    ),
    Recipe("lwft", "everything above --freeze-below, BN below it standing still", _LAYER_WISE, (_ABOVE,)),
    Recipe(
        "freeze-below",
        "everything above --freeze-below, all BN standing still",
        f"{_LAYER_WISE}, BN as in Kanavati & Tsuneki",
        (replace(_ABOVE, bn="eval"),),
    ),
)
RECIPES: dict[str, Recipe] = {row.name: row for row in _ROWS}

ALIASES = {"bn": "fc-then-bn"}
CLASSIFIERS, SEGMENTATIONS = "full", "unet"  # the recipes of runs that name none


def recipe(name: str) -> Recipe:
    """The recipe of that name, or the one that a TOML file describes; see `ttl.finetune.recipe_file`.

    Raises:
        UsageError: there is none, or the file isn't a recipe; the sentence says what there is.
    """
    if name.endswith(".toml"):
        from ttl.finetune.recipe_file import read_recipe

        return read_recipe(Path(name))
    row = RECIPES.get(ALIASES.get(name, name))
    if row is None:
        near = get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {near[0]}? There are" if near else "there are"
        raise UsageError(f"There is no recipe {name!r}: {hint} {', '.join(RECIPES)}, and files FILE.toml")
    return row
