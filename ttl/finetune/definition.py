"""What defines a recipe, as plain data for the names of trials: what differs from the defaults, and versions."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from typing import Annotated, ClassVar, TypeAlias

import pydantic

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
Count = Annotated[int, pydantic.Field(ge=1)]
NotNegative = Annotated[float, pydantic.Field(ge=0)]
Share = Annotated[float, pydantic.Field(ge=0, lt=1)]  # checked where a recipe is read from a file

VERSION = "version"


@dataclass(frozen=True)
class Defined:
    """A frozen dataclass that is part of a recipe's definition.

    A new field with a default renames no old trial. Where a default's value or the meaning of a field changes, the
    class's `version` rises by one, and no trial from before counts as one of the new kind.
    """

    version: ClassVar[int] = 1


@dataclass(frozen=True)
class Registered(Defined, ABC):
    """One of several kinds of a part, found by its name in a registry."""

    name: ClassVar[str]


def definition(value: Defined, *, without: Sequence[str] = ()) -> dict[str, Json]:
    """The fields that differ from their defaults, the name in the registry, and versions above 1.

    `without` names fields that don't decide what it does; others are plain values, tuples, mappings and its like.
    """
    content: dict[str, Json] = {"name": value.name} if isinstance(value, Registered) else {}
    if value.version > 1:
        content[VERSION] = value.version
    for field in fields(value):
        if field.name in without:
            continue
        own = getattr(value, field.name)
        plain = _plain(own)
        # A default that is of a newer version isn't what that default was.
        if _default(field) != own or _has_version(plain):
            content[field.name] = plain
    return content


def _default(field: Field[object]) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _plain(value: object) -> Json:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [_plain(each) for each in value]
    if isinstance(value, Defined):
        return definition(value)
    raise TypeError(f"{value!r} can't be part of a recipe's definition")


def _has_version(plain: Json) -> bool:
    if isinstance(plain, Mapping):
        return VERSION in plain or any(map(_has_version, plain.values()))
    return not isinstance(plain, str) and isinstance(plain, Sequence) and any(map(_has_version, plain))
