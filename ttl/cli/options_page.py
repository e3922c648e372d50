"""docs/options.md, made from the fields: `python -m ttl.cli.options_page > docs/options.md`."""

from __future__ import annotations

from typing import Any, get_args

import typer
import typer.main

from ttl.cli import app
from ttl.cli.command import VERBS
from ttl.cli.help import default_text, help_text, meaning, values
from ttl.config import RunConfig
from ttl.deliver.validation_options import ValidateConfig
from ttl.export.options import ExportConfig
from ttl.options.option import Group, Options, as_typed, kebab

COMMAND = "python -m ttl.cli.options_page > docs/options.md"

INTRODUCTION = f"""# Options

Every option is a flag of the verbs beside it, and a line of the TOML file that `--config` names. There it has the same
name without the dashes (`image-size = 224` or `"165x342"`; `label-columns` is a list), and a switch is `true` or
`false`. A flag wins over the file. Relative paths are relative to the current directory, in a file too.

This page is made from the options themselves: `{COMMAND}`.
"""
HEAD = "| option | values | default | meaning | verbs |\n|---|---|---|---|---|"


def options_page() -> str:
    """The page: how options are given, then all of them."""
    parts: dict[str, type[Options]] = {"a run": RunConfig, "an export": ExportConfig, "a validation": ValidateConfig}
    tables = (f"\n## Of {what}\n\n{options_table(model)}" for what, model in parts.items())
    return INTRODUCTION + "".join(tables)


def options_table(model: type[Options]) -> str:
    """The options of a config in Markdown: a table for each group."""
    commands: Any = getattr(typer.main.get_command(app), "commands", {})
    rows: dict[Group, list[str]] = {group: [] for group in get_args(Group)}
    for name, option in model.marks().items():
        field = model.model_fields[name]
        typed, verbs = kebab(name), ["in a TOML file"]
        if not option.only_in_toml:
            typed, text = as_typed(name, option), help_text(field, option)
            # By its help, for an option of that name may mean something else to another verb.
            verbs = [verb for verb in VERBS if text in [getattr(of, "help", "") for of in commands[verb].params]]
        cells = (f"`{typed}`", values(field), default_text(field, option), meaning(field, option), ", ".join(verbs))
        rows[option.group].append(f"| {' | '.join(cells)} |")
    return "\n".join("\n".join([f"### {of.capitalize()}", "", HEAD, *rows[of], ""]) for of in rows if rows[of])


if __name__ == "__main__":
    typer.echo(options_page(), nl=False)
