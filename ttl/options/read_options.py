"""Options read from a TOML file and from flags alike, or given in Python."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from ttl.errors import UsageError
from ttl.options.option import Options, as_typed, clauses, kebab
from ttl.words.counts import listed

NAMED = 8  # options that a message names

Config = TypeVar("Config", bound=Options)


def read_options(model: type[Config], path: Path | None, flags: Mapping[str, object]) -> Config:
    """Options of one kind from a TOML file (kebab-case or snake_case) and from flags; a flag wins over the file.

    A flag that is None wasn't given; also of a switch, which False turns off.

    Raises:
        UsageError: an unreadable file, an unknown option, a bad or a missing value.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    _refuse_unknown(model, given, "on the command line")
    options = _read_toml(model, path) if path is not None else {}
    origin = {name: f"{kebab(name)} in {path}" for name in options}
    origin |= {name: as_typed(name, model.marks()[name]) for name in given}
    return _checked(model, options | given, origin)


def python_options(model: type[Config], given: Mapping[str, object]) -> Config:
    """Options of one kind from Python, by the names of their fields.

    Raises:
        UsageError: an unknown option, a bad or a missing value.
    """
    return _checked(model, given, {name: name for name in given})


def _checked(model: type[Config], given: Mapping[str, object], origin: Mapping[str, str]) -> Config:
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise UsageError(f"{clauses(error, origin)}.") from None


def _read_toml(model: type[Options], path: Path) -> dict[str, object]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The file {path} can't be read ({error.strerror}): check --config.") from None
    except ValueError as error:
        raise UsageError(f"The file {path} isn't valid TOML: {error}.") from None
    options: dict[str, object] = {}
    for key, value in table.items():
        snake = key.replace("-", "_")
        if snake in options:
            raise UsageError(
                f"The option {kebab(key)} is given twice in {path}, as {kebab(key)} and as {snake}: keep one."
            )
        options[snake] = value
    _refuse_unknown(model, options, f"in {path}")
    return options


def _refuse_unknown(model: type[Options], options: Mapping[str, object], where: str) -> None:
    names = [kebab(name) for name in model.model_fields]
    for name in map(kebab, options):
        if name not in names:
            near = get_close_matches(name, names)
            hint = (
                f"did you mean {' or '.join(near)}?" if near else f"ttl run --help lists them ({listed(names, NAMED)})."
            )
            raise UsageError(f"There is no option {name} ({where}): {hint}")
