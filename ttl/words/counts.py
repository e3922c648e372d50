"""Words for messages about many things."""

from __future__ import annotations

from collections.abc import Iterable


def listed(items: Iterable[str], limit: int = 20) -> str:
    """The items with commas between them; beyond `limit`, how many more there are."""
    names = list(items)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def counted(number: int, thing: str) -> str:
    """`1 image`, `2 images`, `2 classes`."""
    plural = "" if number == 1 else "es" if thing.endswith("s") else "s"
    return f"{number} {thing}{plural}"
