"""Recipes written in TOML: `phases`, a list of tables, and what else of `Recipe` a file wants.

A phase says `train` and a learning rate, in one of two forms. The short one is Adam and the plateau rule: the fields
of `OF_OPTIMIZER` and `OF_SCHEDULE`. The long one is a table `optimizer`, or `schedule`, or both, with the `name` of one
and its fields. Those of `OF_STOP` end a phase in both.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ttl.errors import UsageError
from ttl.finetune.adapters import ADAPTERS, adapter_kind
from ttl.finetune.definition import Defined, Json, Registered
from ttl.finetune.optimizers import OPTIMIZERS, Adam
from ttl.finetune.recipes import PARTS, Option, Phase, Recipe
from ttl.finetune.schedules import SCHEDULES, Plateau, Stop

D = TypeVar("D", bound=Defined)
R = TypeVar("R", bound=Registered)
Table = Mapping[str, Json]

OF_OPTIMIZER = {"lr": "lr"}
OF_SCHEDULE = {"patience": "patience", "factor": "factor", "min_delta": "min_delta", "lr_floor": "floor"}
OF_STOP = {"epochs": "epochs", "stop_after": "after", "min_lr": "below_lr"}
"""A phase's own field -> the field of the part that it is short for."""

REWORDED = {
    "greater_than_equal": ": it should be at least {ge:g}",
    "less_than": ": it should be below {lt:g}",
    "finite_number": ": it should be a finite number",
}
"""What is wrong with a value, where pydantic's own words would need a programmer."""


def read_recipe(path: Path) -> Recipe:
    """The recipe that a TOML file describes.

    Raises:
        UsageError: it isn't one; the sentence names the file, the phase and the field, and says what there is.
    """
    try:
        content: dict[str, Json] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The recipe {path} can't be read: {error}") from error
    phases = content.pop("phases", None)
    if not isinstance(phases, list) or not phases:
        raise UsageError(f"The recipe {path} has no phases: give at least one [[phases]] table")
    rows = tuple(_phase(f"{path}: phase {number}: ", table) for number, table in enumerate(phases, start=1))
    where = f"{path}: "
    _check_names(where, content, {field.name for field in fields(Recipe)} - {"adapter_options"}, "a recipe")
    adapter, options = _adapter(f"{where}adapter", content.pop("adapter", None))
    table = {"name": path.stem, "summary": f"as {path.name} says", "source": path.name, **content}
    row = _made(Recipe, where, table, phases=rows, adapter=adapter, adapter_options=options)
    from ttl.data.modality.augment import augmentation  # needs torch

    try:
        augmentation(row.augment)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return row


def _phase(where: str, table: Json) -> Phase:
    if not isinstance(table, Mapping):
        raise UsageError(f"{where[:-2]} is no table")
    own = {"train", "bn", "bn_momentum"}
    _check_names(where, table, {*own, "optimizer", "schedule", *OF_OPTIMIZER, *OF_SCHEDULE, *OF_STOP}, "a phase")
    if "train" not in table:
        raise UsageError(f"{where[:-2]} lacks train")
    parts = table["train"] if isinstance(table["train"], list) else [table["train"]]
    strangers = [part for part in parts if not (isinstance(part, str) and part in PARTS)]
    if strangers or not parts:
        raise UsageError(f"{where[:-2]} trains {strangers[:1] or 'nothing'}: choose of {', '.join(PARTS)}")
    return _made(
        Phase,
        where,
        {"bn": "train", **{name: value for name, value in table.items() if name in own}, "train": parts},
        optimizer=_part(where, "optimizer", table, OPTIMIZERS, OF_OPTIMIZER, Adam),
        schedule=_part(where, "schedule", table, SCHEDULES, OF_SCHEDULE, Plateau),
        stop=_made(Stop, where, table, OF_STOP),
    )


def _part(
    where: str, what: str, table: Table, registry: Mapping[str, type[R]], short: Mapping[str, str], usual: type[R]
) -> R:
    """An optimizer or a schedule: in a table of its own, or what a phase's own fields are short for."""
    if what not in table:
        return _made(usual, where, table, short)
    twice = [name for name in short if name in table]
    if twice:
        raise UsageError(f"{where[:-2]} has {twice[0]} and {what}, which says that, too: leave {twice[0]} out")
    name, options = _named(f"{where}{what}", table[what], registry)
    return _made(registry[name], f"{where}{what}: ", options)


def _adapter(where: str, worn: Json) -> tuple[str | None, dict[str, Option]]:
    """The name of an adapter and its options."""
    if worn is None:
        return None, {}
    name, options = _named(where, worn, ADAPTERS)
    made = _made(adapter_kind(name), f"{where}: ", options)
    return name, {option: getattr(made, option) for option in options}


def _named(where: str, given: Json, registry: Collection[str]) -> tuple[str, Table]:
    """Of a name, or of a table with a name: the name, which is in the registry, and the rest."""
    table = {"name": given} if isinstance(given, str) else given
    there = f"choose of {', '.join(registry)}" if registry else "there are none yet"
    if not isinstance(table, Mapping) or "name" not in table:
        raise UsageError(f"{where} lacks name: {there}")
    name = table["name"]
    if not isinstance(name, str) or name not in registry:
        raise UsageError(f"{where} is {name!r}: {there}")
    return name, {key: value for key, value in table.items() if key != "name"}


def _made(kind: type[D], where: str, table: Table, names: Mapping[str, str] | None = None, **ready: object) -> D:
    """A dataclass of fields that are `ready`, and of a table; `names`: what it calls a field -> the field."""
    rows = fields(kind)
    if names is None:
        names = {row.name: row.name for row in rows if row.name not in ready}
        _check_names(where, table, names, getattr(kind, "name", kind.__name__))
    hints = get_type_hints(kind, include_extras=True)
    values = {
        field: _checked(hints[field], f"{where}{name}", table[name]) for name, field in names.items() if name in table
    }
    needed = {row.name for row in rows if row.default is MISSING and row.default_factory is MISSING}
    absent = [name for name, field in names.items() if field in needed - values.keys()]
    if absent:
        raise UsageError(f"{where[:-2]} lacks {absent[0]}")
    return kind(**values, **ready)


def _checked(hint: Any, where: str, value: Json) -> Any:
    """The value as the field has it: a list as a tuple, a whole number as a number."""
    adapter: TypeAdapter[Any] = TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False))
    try:
        # As JSON, where a list is a tuple's; TOML's dates and times, which JSON hasn't, are texts there.
        return adapter.validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        plain = first["msg"].removeprefix("Input ").replace("valid ", "").replace("integer", "whole number")
        ours = REWORDED.get(first["type"])
        words = f", and {plain}" if ours is None else ours.format(**first.get("ctx", {}))
        raise UsageError(f"{where} is {value!r}{words}") from None


def _check_names(where: str, table: Table, allowed: Collection[str], what: str) -> None:
    strangers = sorted(set(table) - set(allowed))
    if strangers:
        near = get_close_matches(strangers[0], allowed, n=1)
        there = f"; did you mean {near[0]}?" if near else f": there are {', '.join(sorted(allowed))}"
        raise UsageError(f"{where}{strangers[0]!r} is no field of {what}{there}")
