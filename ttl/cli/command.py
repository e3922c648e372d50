"""The command, and what every verb shares: errors as one line, and what to type next."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer
import typer.core

from ttl import __version__, processes
from ttl.cli.help import Command
from ttl.errors import TTLError, UsageError
from ttl.words.text import printable, shortened

VERBS = (
    "points",
    "plan",
    "run",
    "search",
    "finetune",
    "export",
    "bench",
    "predict",
    "validate",
    "report",
    "check",
    "demo",
)
"""In the order in which a person needs them."""
INTERRUPTED = 130

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Work = Callable[..., None]
"""What a verb does."""


class _InOrder(typer.core.TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the verbs."""
        return list(VERBS)


app = typer.Typer(
    name="ttl",
    cls=_InOrder,
    help="Truncated transfer learning: find the smallest cut of a pretrained network that is as good as the whole, "
    "and get it as a checked ONNX file.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def verb(summary: str, *, example: str, cls: type[Command] = Command) -> Callable[[Work], Work]:
    """Make a function a verb: one line on stderr and the right exit status for every error a user can cause.

    `summary` is its line in the list of verbs; `example` ends its help, which `cls` writes.
    """

    def register(work: Work) -> Work:
        @wraps(work)
        def wrapped(*args: Any, **kwargs: Any) -> None:
            if not processes.is_main():
                sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # of several, one speaks
            try:
                work(*args, **kwargs)
            except TTLError as error:
                raise _exit(2 if isinstance(error, UsageError) else 1, str(error)) from error
            except KeyboardInterrupt as error:
                words = "Stopped. What was finished is kept: the same command again goes on from there."
                raise _exit(INTERRUPTED, words) from error
            except BrokenPipeError as error:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(0) from error
            except OSError as error:
                place = f" ({error.filename})" if error.filename else ""
                raise _exit(1, f"{error.strerror or error}{place}: nothing already written was lost.") from error

        return app.command(cls=cls, short_help=summary, epilog=f"Example: {example}")(wrapped)

    return register


def _exit(status: int, text: str) -> typer.Exit:
    """The end, with a line on stderr."""
    typer.echo(f"ttl: {printable(shortened(' '.join(text.split())))}", err=True)
    return typer.Exit(status)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        typer.echo(f"ttl {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def print_json(content: object) -> None:
    """JSON values on stdout."""
    typer.echo(json.dumps(content, indent=1, allow_nan=False))


def show_next(*commands: str) -> None:
    """The commands that come next."""
    typer.echo("\n".join(["\nNext:", *(f"  {command}" for command in commands)]))
