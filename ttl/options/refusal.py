"""What is wrong with options, in one sentence for whoever typed them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ttl.options.option import kebab

# Where pydantic's own words would need a programmer.
REWORDED = {
    "greater_than": "should be above {gt:g}",
    "greater_than_equal": "should be at least {ge}",
    "less_than": "should be below {lt:g}",
    "less_than_equal": "should be at most {le}",
    "string_type": "should be a text",
    "int_type": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "path_type": "should be a path",
    "extra_forbidden": "is no option",
}


def clauses(error: ValidationError, origin: Mapping[str, str]) -> str:
    """All that is wrong, in one sentence without its full stop; `origin` says where each option came from."""
    return "; ".join(dict.fromkeys(_clause(detail, origin) for detail in error.errors()))


def _clause(detail: ErrorDetails, origin: Mapping[str, str]) -> str:
    text = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    text = REWORDED.get(detail["type"], text).format(**detail.get("ctx", {}))
    if not detail["loc"]:
        return text
    name = str(detail["loc"][0])
    if detail["type"] == "missing":
        return f"No {name} was given: name it, on the command line or as {name} = ... in the TOML file"
    return f"{origin.get(name, kebab(name))} is {detail['input']!r}, and {text}"
