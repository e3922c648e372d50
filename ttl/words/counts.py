"""Words for messages about many things."""

from __future__ import annotations

from collections.abc import Iterable

LISTED = 20


def listed(items: Iterable[str], limit: int = LISTED) -> str:
    """The items with commas between them; beyond `limit`, how many more there are."""
    names = list(items)
    first = ", ".join(names[:limit])
    return f"{first} and {len(names) - limit} more" if len(names) > limit else first


def counted(number: int, thing: str) -> str:
    """`1 image`, `2 images`, `2 classes`."""
    if number == 1:
        return f"1 {thing}"
    return f"{number} {thing}es" if thing.endswith("s") else f"{number} {thing}s"
