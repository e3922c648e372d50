"""Flags made from the fields of a config: the one way in which an option gets onto the command line."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from ttl.cli.command import Work
from ttl.cli.help import help_text, is_repeated, plain
from ttl.errors import UsageError
from ttl.options.option import Group, Options, as_typed
from ttl.options.read_options import read_options
from ttl.options.values import size
from ttl.words.sides import ImageSize, spelled

Config = Annotated[Path | None, typer.Option(help="A TOML file of options; a flag wins over it.")]


def typed_as(field: FieldInfo) -> Any:
    """The type that a flag has; what the field asks for beyond it the config checks, in its own words."""
    kind, marks = plain(field.annotation, field.metadata)
    if is_repeated(field):
        return list[str]
    if any(isinstance(mark, BeforeValidator) for mark in marks) or get_origin(kind) is Literal:
        return str
    if get_origin(kind) is tuple:
        return GenericAlias(tuple, tuple(plain(part)[0] for part in get_args(kind)))
    return kind


def flag(model: type[Options], name: str) -> Any:
    """What typer is to know of an option beside its type: flag, help, metavar and the heading of its group."""
    option = model.marks()[name]
    text, title = help_text(model.model_fields[name], option), option.group.capitalize()
    if option.is_argument:
        return typer.Argument(metavar=as_typed(name, option), help=text, rich_help_panel=title, show_default=False)
    return typer.Option(as_typed(name, option), metavar=option.metavar, help=text, rich_help_panel=title)


def size_given(text: str | None, read: Callable[[str], ImageSize] = size) -> ImageSize | None:
    """What `--image-size` was given: `224`, `165x342`, or nothing.

    Raises:
        UsageError: it is no size.
    """
    try:
        return None if text is None else read(text)
    except ValueError as error:
        raise UsageError(f"--image-size is {text!r}, and {error}.") from None


def with_options(model: type[Options], *, leave_out: Sequence[Group] = ()) -> Callable[[Work], Work]:
    """Give a verb the flags of a config but for some groups, and `--config`: it gets them checked, as `options`."""
    in_order = sorted(model.marks().items(), key=lambda mark: get_args(Group).index(mark[1].group))
    names = [name for name, option in in_order if option.group not in leave_out and not option.only_in_toml]

    def decorate(work: Work) -> Work:
        own = {name: p for name, p in signature(work, eval_str=True).parameters.items() if name != "options"}

        @wraps(work)
        def wrapped(*, config: Path | None, **values: Any) -> None:
            rest = {name: values.pop(name) for name in own}
            # None where nothing was typed: then the TOML file decides, of a switch and of a list too.
            given = {name: (tuple(of) or None) if isinstance(of, list) else of for name, of in values.items()}
            options = read_options(model, config, given)
            work(options=options, **rest)

        of_file = Parameter("config", Parameter.KEYWORD_ONLY, default=None, annotation=Config)
        kept = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in own.values()]
        parameters = [*kept, of_file, *(_parameter(model, name) for name in names)]
        wrapped.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return decorate


def _parameter(model: type[Options], name: str) -> Parameter:
    annotation: Any = Annotated[typed_as(model.model_fields[name]) | None, flag(model, name)]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def command_of(verb: str, options: Options) -> str:
    """The command that gives a verb the same options: what must be given, and what differs from its default."""
    flags = [words for name in options.marks() if not options.is_default(name) for words in _typed(options, name)]
    return " ".join(["ttl", verb, *flags])


def _typed(options: Options, name: str) -> Iterator[str]:
    """One option as it is typed; a flag for each value of one that may be repeated."""
    option, value, field = options.marks()[name], getattr(options, name), type(options).model_fields[name]
    typed = as_typed(name, option)
    parts = [shlex.quote(str(part)) for part in (value if isinstance(value, tuple) else (value,))]
    if option.is_argument:
        yield parts[0]
    elif value is True:
        yield typed
    elif is_repeated(field):
        yield from (f"{typed} {part}" for part in parts)
    else:
        yield f"{typed} {spelled(value) if typed_as(field) is str and len(parts) > 1 else ' '.join(parts)}"
