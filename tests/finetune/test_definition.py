"""What differs from the defaults, and versions: what the names of trials are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from ttl.finetune.definition import Defined, Registered, definition


@dataclass(frozen=True)
class Inner(Registered):
    name: ClassVar[str] = "inner"

    size: int = 3


@dataclass(frozen=True)
class Outer(Defined):
    needed: float
    parts: tuple[Inner, ...] = ()
    inner: Inner = field(default_factory=Inner)
    table: Mapping[str, float] = field(default_factory=dict)
    maybe: str | None = None


@dataclass(frozen=True)
class Grown(Outer):
    more: int = 7


@dataclass(frozen=True)
class Newer(Inner):
    version: ClassVar[int] = 2


def test_only_what_differs_from_the_defaults_is_in_it() -> None:
    assert definition(Outer(1.0)) == {"needed": 1.0}
    assert definition(Outer(1.0, inner=Inner(3), table={}, maybe=None)) == {"needed": 1.0}
    assert definition(Outer(1.0, (Inner(), Inner(4)), Inner(5), {"a": 0.5}, "b")) == {
        "needed": 1.0,
        "parts": [{"name": "inner"}, {"name": "inner", "size": 4}],
        "inner": {"name": "inner", "size": 5},
        "table": {"a": 0.5},
        "maybe": "b",
    }


def test_a_new_field_changes_nothing_until_it_is_used() -> None:
    assert definition(Grown(1.0, maybe="b")) == definition(Outer(1.0, maybe="b"))
    assert definition(Grown(1.0, more=8)) == {"needed": 1.0, "more": 8}


def test_a_version_above_one_is_in_it_even_where_the_default_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert definition(Newer()) == {"name": "inner", "version": 2}
    assert definition(Outer(1.0, inner=Newer()))["inner"] == {"name": "inner", "version": 2}
    monkeypatch.setattr(Inner, "version", 2)
    assert definition(Outer(1.0)) == {"needed": 1.0, "inner": {"name": "inner", "version": 2}}
    monkeypatch.setattr(Outer, "version", 5)
    assert definition(Outer(1.0))["version"] == 5


def test_what_decides_nothing_can_be_left_out() -> None:
    assert definition(Outer(1.0, maybe="b"), without=("maybe",)) == {"needed": 1.0}


def test_what_is_no_plain_value_is_refused() -> None:
    with pytest.raises(TypeError, match="can't be part of a recipe's definition"):
        definition(Outer(1.0, maybe=object()))  # type: ignore[arg-type]
