"""The types of a config's fields, as the command line and the docs have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo


def typed_as(field: FieldInfo) -> Any:
    """The type that a flag has; what the field asks for beyond it the config checks, in its own words."""
    kind, marks = _bare(field.annotation, field.metadata)
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        return list[str] if parts[-1] is Ellipsis else GenericAlias(tuple, tuple(_bare(part)[0] for part in parts))
    reads_text = any(isinstance(mark, BeforeValidator) for mark in marks)
    return str if reads_text or get_origin(kind) is Literal else kind


def choices(field: FieldInfo) -> tuple[str, ...]:
    """The values that an option is chosen from; none where it isn't."""
    kind, _ = _bare(field.annotation)
    if get_origin(kind) is tuple:
        kind = get_args(kind)[0]
    return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()


def values(field: FieldInfo) -> str:
    """What may be given, in words: `whole number, at least 16, at most 4096`."""
    listed, (kind, marks) = choices(field), _bare(field.annotation, field.metadata)
    several = "; several" if typed_as(field) == list[str] else ""
    if listed:
        return ", ".join(listed) + several
    if get_origin(kind) is tuple:
        return f"text{several}" if several else "two numbers"
    flat = [part for mark in marks for part in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]
    bounds = [f"{word} {getattr(part, key)}" for key, word in BOUNDS.items() for part in flat if hasattr(part, key)]
    return ", ".join([KINDS[kind], *bounds])


KINDS = {bool: "switch", int: "whole number", float: "number", Path: "path", str: "text"}
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
"""The marks of `annotated_types`, in words."""


def _bare(annotation: Any, marks: Sequence[Any] = ()) -> tuple[Any, Sequence[Any]]:
    """A type without None and without its marks, and these."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not NoneType)  # the plainest comes first
    if get_origin(annotation) is Annotated:
        return annotation.__origin__, [*marks, *annotation.__metadata__]
    return annotation, marks
