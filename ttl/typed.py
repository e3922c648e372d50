"""Frozen dataclasses as JSON and back: the one way in which what flows through files is written and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from math import isnan, nan
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer, TypeAdapter, ValidationError

from ttl.errors import DamagedError, RunFolderError
from ttl.files import write_text

T = TypeVar("T")

Figure = Annotated[
    float,
    BeforeValidator(lambda value: nan if value is None else value),
    PlainSerializer(lambda value: None if isnan(value) else value),
]
"""A number that may be undefined: NaN here, null in JSON, which has no NaN."""

OptionalKey = Annotated[T | None, Field(exclude_if=lambda value: value is None)]
"""`OptionalKey[int] = None`: a field whose key isn't in the JSON where there is no value."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(value: object) -> Any:
    """A frozen dataclass as JSON values: tuples become lists, paths and enumerations texts, NaN null.

    A field with an alias (`Field(alias="class")`) is under that, and an `OptionalKey` that is None isn't there.
    """
    kind: Any = type(value)
    return _adapter(kind).dump_python(value, mode="json", by_alias=True)


def from_json(kind: type[T], content: object, *, where: str, remedy: str | None = None) -> T:
    """The value that `to_json` wrote; keys that this version doesn't know are left alone.

    The message names the file (`where`), and what to do (`remedy`, by default `REMEDY`).

    Raises:
        RunFolderError: it isn't one; the sentence names the file and the field.
    """
    adapter: TypeAdapter[T] = _adapter(kind)  # type: ignore[arg-type]  # mypy takes the class for its instance here
    try:
        # Through JSON text: there a list is a tuple's, and nothing else is taken for what it isn't.
        return adapter.validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        raise RunFolderError(f"{where} can't be trusted: {reason(error)}; {remedy or REMEDY}") from None


REMEDY = "it is damaged, or was written by another version of ttl: remove it, or name another folder"


def reason(error: ValidationError) -> str:
    """The first thing that doesn't fit: the field, and what is wrong with it."""
    first = error.errors()[0]
    field = f"the field {'.'.join(map(str, first['loc']))}" if first["loc"] else "its content"
    if first["type"] == "missing":
        return f"{field} is missing"
    message = first["msg"].removeprefix("Value error, ")  # of a `__post_init__` that refuses
    return f"{field}: {message[0].lower()}{message[1:]}"


SEAL = "content_sha256"
"""The key of a file's own digest: of all that stands beside it. Files of version 0.1 have none."""


def read(kind: type[T], path: Path) -> T | None:
    """What a JSON file holds that `write` wrote; None where there is none.

    Raises:
        RunFolderError: it can't be read, isn't of that type, or (a `DamagedError`) isn't JSON or was changed since.
    """
    content = read_sealed(path)
    return None if content is None else from_json(kind, content, where=str(path))


def read_sealed(path: Path) -> object | None:
    """The JSON values of a file, without its digest; None where there is none.

    Raises:
        RunFolderError: it can't be read, or (a `DamagedError`) isn't JSON or was changed since it was written.
    """
    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        content: object = json.loads(text, parse_constant=_not_json)
    except OSError as error:
        raise RunFolderError(f"{path} can't be read: {error.strerror}; {REMEDY}") from error
    except ValueError as error:
        raise DamagedError(f"{path} can't be read: it isn't JSON ({error}); {REMEDY}") from error
    if content is None:  # which would pass for a file that isn't there
        raise DamagedError(f"{path} can't be read: it holds nothing; {REMEDY}")
    if isinstance(content, dict) and SEAL in content:
        as_written = dumps(content) == text  # a digit beyond a float's precision changes the text and no value
        if content.pop(SEAL) != digest_of(content) or not as_written:
            raise DamagedError(f"{path} can't be trusted: it was changed after it was written; {REMEDY}")
    return content


def _not_json(constant: str) -> object:
    """Refuse NaN and infinity, which `dumps` doesn't write, and couldn't compare."""
    raise ValueError(f"{constant} is no number in it")


def write(path: Path, value: object) -> None:
    """Write a frozen dataclass as a JSON file, whole or not at all, with a digest of its content.

    Raises:
        OSError: no room, or no right to write.
    """
    write_sealed(path, to_json(value))


def write_sealed(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON object likewise.

    Raises:
        OSError: no room, or no right to write.
    """
    write_text(path, dumps({**content, SEAL: digest_of(content)}))


def digest_of(content: object) -> str:
    """SHA-256 (hex) of JSON values, whatever the order of their keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def dumps(content: object) -> str:
    """JSON text as all files of a run folder have it."""
    return json.dumps(content, indent=1, allow_nan=False)
