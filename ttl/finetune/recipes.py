"""Fine-tuning strategies as rows of a table: which parameters train, how BN behaves, when to stop."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from ttl.errors import UsageError

Part = Literal["head", "bn", "all", "above"]
Monitor = Literal["auprc", "auroc", "accuracy", "dice", "jaccard", "loss"]


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one set of trainable parameters, from the best state of the one before."""

    train: tuple[Part, ...]
    """`head`, `bn` (scale and shift of every batch norm), `all`, `above` (all that isn't below the freeze point)."""
    bn: Literal["train", "eval"]
    """`eval`: batch norms use their running statistics and leave them as they are."""
    lr: float
    epochs: int | None = None
    """At most so many; None until the rule below, or the run's cap, ends it."""
    patience: int = 5
    """Epochs without a better validation figure before the learning rate is multiplied by `factor`."""
    factor: float = 0.5
    min_lr: float = 1e-7
    """Training stops below this learning rate."""
    lr_floor: float = 0.0
    """The schedule never goes below this learning rate."""
    stop_after: int | None = None
    """Training stops after so many epochs without a better validation figure; None leaves it to `min_lr`."""
    min_delta: float = 0.0
    """What the schedule counts as better must be better by so much."""
    bn_momentum: float | None = None
    """The weight of a batch in the running statistics (torch's sense); None leaves it as the network has it."""

    @property
    def name(self) -> str:
        """What trains, joined: `head+bn`."""
        return "+".join(self.train)

    def words(self) -> str:
        """What trains, what batch norms do and when it ends, in one line."""
        what = " and ".join(PARTS[part] for part in self.train)
        norms = "batch norms in training mode" if self.bn == "train" else "batch norms stand still"
        momentum = f" (momentum {self.bn_momentum:g})" if self.bn_momentum is not None and self.bn == "train" else ""
        end = f"at most {self.epochs} epochs" if self.epochs else f"until the learning rate is below {self.min_lr:g}"
        if self.stop_after:
            end = f"until {self.stop_after} epochs bring nothing better"
            end += f", at most {self.epochs}" if self.epochs else ""
        if self.epochs == 1:
            end = "one epoch"
        return f"{what} at {self.lr:g}; {norms}{momentum}; {end}"


Kind = TypeVar("Kind")

PARTS: dict[Part, str] = {
    "head": "the head",
    "bn": "scale and shift of batch norms",
    "all": "everything",
    "above": "everything above the freeze point",
}


@dataclass(frozen=True)
class Recipe:
    """A published fine-tuning strategy."""

    name: str
    summary: str
    source: str
    phases: tuple[Phase, ...]
    batch_size: int = 64
    augment: str | Mapping[str, Any] = "ttl"
    """A preset's name, or the fields of `ttl.data.Augment`."""
    monitor: Monitor = "auprc"
    """The validation figure that decides the schedule and which epoch is kept; where the kind of task has no such
    figure, the one that it has first: Dice of segmentations."""
    dropout: float = 0.0
    """Before the linear layer of the head, where the run doesn't say."""
    random_start: bool = False
    """Whether the network starts from random weights."""

    def words(self) -> str:
        """Its phases in one line, one after another."""
        return "; then ".join(phase.words() for phase in self.phases)

    def definition(self) -> dict[str, Any]:
        """All that decides what it does, as plain data: two recipes of one name in two files differ in it."""
        told = asdict(self)
        return {key: value for key, value in told.items() if key not in ("summary", "source")}

    @property
    def needs_freeze_point(self) -> bool:
        """Whether a phase trains what lies above a point."""
        return any("above" in phase.train for phase in self.phases)


_TTL = "Peng et al., BMVC 2023, section 4"
_K = "Kanavati & Tsuneki, MIDL 2021, Table 2"
_KD = "Kanavati & Tsuneki, MIDL 2021, appendix D"

# Their protocol (appendix B, and the authors' notebook): Adam; on a plateau of the validation loss (one epoch, better
# by 1e-4) the learning rate is divided by five, down to 1e-6; stop after six epochs; best validation loss; dropout 0.5.
# Keras' patience of 1 is 0 in torch's sense (it acts on the first such epoch, not after it), and its BN momentum
# 0.99 and 0.95 are 0.01 and 0.05 in torch's sense.
_FC = Phase(
    train=("head",),
    bn="eval",
    lr=1e-3,
    epochs=100,
    patience=0,
    factor=0.2,
    lr_floor=1e-6,
    stop_after=6,
    min_delta=1e-4,
    bn_momentum=0.01,
)
_FC_ONCE = replace(_FC, epochs=1)
_BN = replace(_FC, train=("head", "bn"), epochs=500)
_FULL = replace(_FC, train=("all",), lr=1e-5, epochs=500)


def _kanavati(name: str, summary: str, *phases: Phase, source: str = _K, random_start: bool = False) -> Recipe:
    return Recipe(
        name,
        summary,
        source,
        phases,
        augment="partial-transfusion",
        monitor="loss",
        dropout=0.5,
        random_start=random_start,
    )


_TTL_ALL = Phase(train=("all",), bn="train", lr=1e-4)

RECIPES: dict[str, Recipe] = {
    row.name: row
    for row in (
        Recipe("full", "everything, halving 1e-4 when validation AUPRC stagnates", f"{_TTL} (FTL)", (_TTL_ALL,)),
        Recipe(
            "unet",
            "a U-Net: everything at 1e-3, small batches, halving when validation Dice stagnates",
            "the schedule of " + _TTL + "; a decoder that starts at random needs more and larger steps",
            (replace(_TTL_ALL, lr=1e-3),),
            batch_size=8,
            monitor="dice",
        ),
        _kanavati("fc", "the head alone", _FC),
        _kanavati("fc-then-full", "the head, then everything at 1e-5", _FC, _FULL),
        _kanavati("fc-then-bn", "the head for one epoch, then head and BN scale and shift", _FC_ONCE, _BN),
        _kanavati("fc-bn", "head and BN scale and shift together", _BN),
        _kanavati("fc-then-bn-lr", "the head, then head and BN scale and shift at 1e-5", _FC, replace(_BN, lr=1e-5)),
        _kanavati(
            "fc-bma",
            "the head, while BN's moving averages follow the data",
            replace(_FC, epochs=500, bn="train", bn_momentum=0.05),
        ),
        _kanavati("fc-bn-rnd", "head and BN of a random network", _BN, random_start=True),
        _kanavati(
            "fc-bn-rnd-bma",
            "head, BN and its moving averages of a random network",
            replace(_BN, bn="train"),
            random_start=True,
        ),
        _kanavati(
            "fc-then-full-train-bn",
            "the head, then everything at 1e-5 with BN in training mode",
            _FC,
            replace(_FULL, bn="train"),
            source=_KD,
        ),
        _kanavati(
            "fc-then-bn-train-bn",
            "the head for one epoch, then head and BN, BN in training mode",
            _FC_ONCE,
            replace(_BN, bn="train"),
            source=_KD,
        ),
        Recipe(
            "lwft",
            "everything above --freeze-below, BN below it standing still",
            f"{_TTL} (layer-wise fine-tuning)",
            (replace(_TTL_ALL, train=("above",)),),
        ),
        Recipe(
            "freeze-below",
            "everything above --freeze-below, all BN standing still",
            f"{_TTL} (layer-wise fine-tuning), BN as in Kanavati & Tsuneki",
            (replace(_TTL_ALL, train=("above",), bn="eval"),),
        ),
    )
}

ALIASES = {"bn": "fc-then-bn"}
CLASSIFIERS, SEGMENTATIONS = "full", "unet"
"""The recipes of runs that name none."""


def recipe(name: str) -> Recipe:
    """The recipe of that name, or the one that a TOML file describes.

    A file gives `phases` (a list of tables with the fields of `Phase`), and what else of `Recipe` it wants.

    Raises:
        UsageError: there is none, or the file isn't a recipe; the sentence says what there is.
    """
    if name.endswith(".toml"):
        return _read(Path(name))
    found = RECIPES.get(ALIASES.get(name, name))
    if found is None:
        near = get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {near[0]}? There are" if near else "there are"
        raise UsageError(f"There is no recipe {name!r}: {hint} {', '.join(RECIPES)}, and files FILE.toml")
    return found


def _read(path: Path) -> Recipe:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The recipe {path} can't be read: {error}") from error
    phases = content.pop("phases", None)
    if not isinstance(phases, list) or not phases:
        raise UsageError(f"The recipe {path} has no phases: give at least one [[phases]] table")
    rows = tuple(_phase(path, number, table) for number, table in enumerate(phases, start=1))
    from ttl.data.augment import augmentation

    told = {"name": path.stem, "summary": f"as {path.name} says", "source": path.name, **content}
    _check_fields(path, told, Recipe)
    try:
        augmentation(told.get("augment", "ttl"))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return _checked(path, "", Recipe, {**told, "phases": rows})


def _phase(path: Path, number: int, table: Any) -> Phase:
    if not isinstance(table, dict):
        raise UsageError(f"{path}: phase {number} is no table")
    _check_fields(path, table, Phase)
    absent = [name for name in ("train", "lr") if name not in table]
    if absent:
        raise UsageError(f"{path}: phase {number} lacks {absent[0]}")
    parts = table["train"] if isinstance(table["train"], list) else [table["train"]]
    strangers = [part for part in parts if part not in PARTS]
    if strangers or not parts:
        raise UsageError(f"{path}: phase {number} trains {strangers[:1] or 'nothing'}: choose of {', '.join(PARTS)}")
    return _checked(path, f"phase {number}: ", Phase, {"bn": "train", **table, "train": tuple(parts)})


AT_LEAST = {"lr": 1e-12, "epochs": 1, "patience": 0, "factor": 0, "stop_after": 1, "min_delta": 0, "batch_size": 1}
BELOW = {"factor": 1, "dropout": 1, "bn_momentum": 1}


def _checked(path: Path, where: str, kind: type[Kind], told: dict[str, Any]) -> Kind:
    """A row made of what a file tells, if each of its values is of the right kind and within its bounds."""
    from pydantic import TypeAdapter, ValidationError

    hints = get_type_hints(kind)
    for name, value in told.items():
        try:
            TypeAdapter(hints[name]).validate_python(value, strict=True)
        except ValidationError as error:
            words = _words(error.errors()[0]["msg"])
            raise UsageError(f"{path}: {where}{name} is {value!r}, and {words}") from None
        if name in AT_LEAST and value < AT_LEAST[name]:
            raise UsageError(f"{path}: {where}{name} is {value}: it should be at least {AT_LEAST[name]:g}")
        if name in BELOW and not 0 <= value < BELOW[name]:
            raise UsageError(f"{path}: {where}{name} is {value}: it should be from 0 to below {BELOW[name]:g}")
    return kind(**told)


def _words(message: str) -> str:
    """Pydantic's words, less what only a programmer asks."""
    return message.removeprefix("Input ").replace("valid ", "").replace("integer", "whole number")


def _check_fields(path: Path, told: dict[str, Any], kind: type[Recipe] | type[Phase]) -> None:
    known = {field.name for field in fields(kind)}
    strangers = sorted(set(told) - known)
    if strangers:
        near = get_close_matches(strangers[0], known, n=1)
        raise UsageError(
            f"{path}: {strangers[0]!r} is no field of a {kind.__name__.lower()}"
            + (f"; did you mean {near[0]}?" if near else f": there are {', '.join(sorted(known))}")
        )
