"""What `--help` says of options: their text, made from the fields, and one heading for each group."""

from __future__ import annotations

from typing import Any

import typer.core
from pydantic.fields import FieldInfo

from ttl.cli.field_types import choices
from ttl.options.option import Group, Option
from ttl.options.options import Options

MOST_WIDE = 30
"""Of the column of flags, in characters; the help of a longer one begins in the next line."""


def help_text(model: type[Options], name: str) -> str:
    """What an option decides, and its default: `Where fine-tunes run: local or ray. [default: local]`."""
    field, option = model.model_fields[name], model.marks()[name]
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
    if field.is_required() or value is False:
        return ""
    if value is None or value == ():
        return option.unset
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def heading(group: Group) -> str:
    """What stands over the options of a group."""
    return group.capitalize()


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
