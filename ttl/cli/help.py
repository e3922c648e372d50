"""The text of options in `--help` and in the docs, made from the fields: values, default, meaning, headings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer.core
from pydantic.fields import FieldInfo

from ttl.options.option import Option

MOST_WIDE = 30
"""Of the column of flags, in characters; the help of a longer one begins in the next line."""
UNIONS = (Union, UnionType)
KINDS = {bool: "switch", int: "whole number", float: "number", Path: "path", str: "text"}
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
"""The marks of `annotated_types`, in words."""


def help_text(field: FieldInfo, option: Option) -> str:
    """What an option decides, and its default: `Where fine-tunes run: local or ray. [default: local]`."""
    default = default_text(field, option)
    return meaning(field, option) + (f" [default: {default}]" if default else "")


def meaning(field: FieldInfo, option: Option) -> str:
    """What an option decides, its choices with it, as a sentence."""
    words = [f"{value} ({option.choices[value]})" if value in option.choices else value for value in choices(field)]
    listed = " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
    return f"{option.help}: {listed}." if listed else f"{option.help}."


def default_text(field: FieldInfo, option: Option) -> str:
    """What holds where nothing is given; empty where that goes without saying."""
    value = field.default
    if value is None or value == ():
        return option.unset
    if field.is_required() or value is False:
        return ""
    parts = value if isinstance(value, tuple) else (value,)
    return ", ".join(f"{part:g}" if isinstance(part, float) else str(part) for part in parts)


def plain(annotation: Any, marks: Sequence[Any] = ()) -> tuple[Any, Sequence[Any]]:
    """A type without None and without its marks, and these."""
    parts = [part for part in get_args(annotation) if part is not NoneType]
    if get_origin(annotation) in UNIONS and len(parts) == 1:
        annotation = parts[0]
    if get_origin(annotation) is Annotated:
        return annotation.__origin__, [*marks, *annotation.__metadata__]
    return annotation, marks


def is_repeated(field: FieldInfo) -> bool:
    """Whether an option may be given several times."""
    return get_args(plain(field.annotation)[0])[-1:] == (Ellipsis,)


def choices(field: FieldInfo) -> tuple[str, ...]:
    """The values that an option is chosen from; none where it isn't."""
    kind, _ = plain(field.annotation)
    if get_origin(kind) is tuple:
        kind = get_args(kind)[0]
    return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()


def values(field: FieldInfo) -> str:
    """What may be given, in words: `whole number, at least 16, at most 4096`."""
    several = "; several" if is_repeated(field) else ""
    return (", ".join(choices(field)) or _in_words(*plain(field.annotation, field.metadata))) + several


def _in_words(kind: Any, marks: Sequence[Any]) -> str:
    if get_origin(kind) in UNIONS:
        return ", or ".join(_in_words(*plain(part)) for part in get_args(kind))
    if get_origin(kind) is tuple:
        return "text" if get_args(kind)[-1] is Ellipsis else "two numbers"
    flat = [part for mark in marks for part in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]
    bounds = [f"{word} {getattr(part, key)}" for key, word in BOUNDS.items() for part in flat if hasattr(part, key)]
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    return ", ".join([KINDS[kind], *bounds])


class Command(typer.core.TyperCommand):
    """A verb whose help lists the options of a group under its heading, after those that are the verb's own."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, the verb's own options, then each group's."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                is_argument = isinstance(param, typer.core.TyperArgument)
                own = "Arguments" if is_argument else getattr(param, "rich_help_panel", None) or "Options"
                sections.setdefault(own, []).append(record)
        width = min(MOST_WIDE, max(len(name) for rows in sections.values() for name, _ in rows))
        for title, rows in sections.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl([(name.ljust(width), text) for name, text in rows])
