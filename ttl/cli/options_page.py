"""docs/options.md, made from the fields: `python -m ttl.cli.options_page > docs/options.md`."""

from __future__ import annotations

from functools import cache
from typing import get_args

import typer
import typer.core
import typer.main

from ttl.cli import app
from ttl.cli.command import VERBS
from ttl.cli.help import default_text, heading, help_text, meaning, values
from ttl.config import RunConfig
from ttl.export.options import ExportConfig
from ttl.options.option import Group, Options, as_typed, kebab

COMMAND = "python -m ttl.cli.options_page > docs/options.md"

INTRODUCTION = f"""# Options

Every option is a flag of the verbs beside it, and a line of the TOML file that `--config` names. There it has the same
name without the dashes (`image-size = 224` or `"165x342"`; `label-columns` is a list), and a switch is `true` or
`false`. A flag wins over the file. Relative paths are relative to the current directory, in a file too.

This page is made from the options themselves: `{COMMAND}`.
"""


def options_page() -> str:
    """The page: how options are given, then all of them."""
    run, export = options_table(RunConfig), options_table(ExportConfig)
    return f"{INTRODUCTION}\n## Of a run\n\n{run}\n## Of an export\n\n{export}"


def options_table(model: type[Options]) -> str:
    """The options of a config in Markdown: a table for each group."""
    marks = model.marks()
    groups = [group for group in get_args(Group) if any(option.group == group for option in marks.values())]
    head = "| option | values | default | meaning | verbs |\n|---|---|---|---|---|"
    tables = []
    for group in groups:
        rows = [_row(model, name) for name, option in marks.items() if option.group == group]
        tables.append("\n".join([f"### {heading(group)}", "", head, *rows, ""]))
    return "\n".join(tables)


def _row(model: type[Options], name: str) -> str:
    field, option = model.model_fields[name], model.marks()[name]
    typed = kebab(name) if option.only_in_toml else as_typed(name, option)
    verbs = "in a TOML file" if option.only_in_toml else ", ".join(_verbs_by_help()[help_text(model, name)])
    cells = (f"`{typed}`", values(field), default_text(field, option), meaning(field, option), verbs)
    return f"| {' | '.join(cells)} |"


@cache
def _verbs_by_help() -> dict[str, list[str]]:
    """The help of a flag -> the verbs that have it; by help, for others of that name may mean something else."""
    commands: dict[str, typer.core.TyperCommand] = getattr(typer.main.get_command(app), "commands", {})
    verbs: dict[str, list[str]] = {}
    for verb in VERBS:
        for param in commands[verb].params:
            verbs.setdefault(getattr(param, "help", None) or "", []).append(verb)
    return verbs


if __name__ == "__main__":
    typer.echo(options_page(), nl=False)
