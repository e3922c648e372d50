"""Flags made from the fields of a config: the one way in which an option gets onto the command line."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from ttl.cli.field_types import typed_as
from ttl.cli.help import heading, help_text
from ttl.options.option import Group, as_typed
from ttl.options.options import Options
from ttl.options.read import read_options

Config = Annotated[Path | None, typer.Option(help="A TOML file of options; a flag wins over it.")]


def flag(model: type[Options], name: str) -> Any:
    """What typer is to know of an option beside its type: flag, help, metavar and the heading of its group."""
    option = model.marks()[name]
    text, title = help_text(model, name), heading(option.group)
    if option.is_argument:
        return typer.Argument(metavar=as_typed(name, option), help=text, rich_help_panel=title, show_default=False)
    return typer.Option(as_typed(name, option), metavar=option.metavar, help=text, rich_help_panel=title)


def with_options(
    model: type[Options], *, leave_out: Sequence[Group] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a verb the flags of a config, and `--config`; it gets what was given, read and checked, as `options`.

    Args:
        model: the config.
        leave_out: groups that say nothing to this verb.
    """
    groups = [group for group in get_args(Group) if group not in leave_out]
    marks = {name: option for name, option in model.marks().items() if not option.only_in_toml}
    names = [name for group in groups for name, option in marks.items() if option.group == group]

    def decorate(work: Callable[..., None]) -> Callable[..., None]:
        own = {name: p for name, p in signature(work, eval_str=True).parameters.items() if name != "options"}

        @wraps(work)
        def wrapped(*, config: Path | None, **values: Any) -> None:
            kept = {name: values.pop(name) for name in own}
            options = read_options(model, config, {name: _given(value) for name, value in values.items()})
            work(options=options, **kept)

        shared = [
            Parameter("config", Parameter.KEYWORD_ONLY, default=None, annotation=Config),
            *(_parameter(model, name) for name in names),
        ]
        parameters = [*(p.replace(kind=Parameter.KEYWORD_ONLY) for p in own.values()), *shared]
        wrapped.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return decorate


def _parameter(model: type[Options], name: str) -> Parameter:
    kind = typed_as(model.model_fields[name])
    is_switch = kind is bool
    annotation: Any = Annotated[kind if is_switch else kind | None, flag(model, name)]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=False if is_switch else None, annotation=annotation)


def _given(value: object) -> object:
    """What typer hands over, None where nothing was typed: a switch leaves the TOML file's word alone then."""
    if value is False or value == []:
        return None
    return tuple(value) if isinstance(value, list) else value


def command_of(verb: str, options: Options) -> str:
    """The command that gives a verb the same options: what must be given, and what differs from its default."""
    flags = [words for name in options.marks() if not options.is_default(name) for words in _typed(options, name)]
    return " ".join(["ttl", verb, *flags])


def _typed(options: Options, name: str) -> Iterator[str]:
    """One option as it is typed; a flag for each value of one that may be repeated."""
    option, value = options.marks()[name], getattr(options, name)
    typed = as_typed(name, option)
    if option.is_argument:
        yield shlex.quote(str(value))
    elif value is True:
        yield typed
    elif typed_as(type(options).model_fields[name]) == list[str]:
        yield from (f"{typed} {shlex.quote(str(part))}" for part in value)
    elif isinstance(value, tuple) and typed_as(type(options).model_fields[name]) is str:
        yield f"{typed} {'x'.join(map(str, value))}"
    else:
        parts = value if isinstance(value, tuple) else (value,)
        yield " ".join([typed, *(shlex.quote(str(part)) for part in parts)])
