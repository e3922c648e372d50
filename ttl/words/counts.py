"""Words for messages about many things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ttl.words.text import shortened

MOST_CHARACTERS = 240
"""Of all names that a message lists: it has to stay a line that can be read."""
MOST_OF_A_NAME = 100
MOST_OF_A_REASON = 200
MOST_OF_ALL_REASONS = 440
MOST_REASONS = 8
NAMED = 3
"""Files that a reason names."""


def listed(items: Iterable[str], limit: int = 20) -> str:
    """The items with commas between them; beyond `limit` or `MOST_CHARACTERS`, how many more there are."""
    every = list(items)
    names = [shortened(item, MOST_OF_A_NAME) for item in every[:limit]]
    while len(names) > 1 and sum(len(name) + 2 for name in names) > MOST_CHARACTERS:
        names.pop()
    more = f" and {len(every) - len(names)} more" if len(every) > len(names) else ""
    return ", ".join(names) + more


def grouped_reasons(reasons: Mapping[str, str]) -> str:
    """Why each of some files can't be used: `12 files: cut off before its end (a.png, b.png, c.png and 9 more)`.

    A reason that one file has follows its name, in brackets; the commonest reasons are first.
    """
    files: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        files.setdefault(reason, []).append(name)
    commonest = sorted(files.items(), key=lambda item: -len(item[1]))
    parts = []
    for reason, names in commonest[:MOST_REASONS]:
        why = shortened(reason, MOST_OF_A_REASON)
        single = f"{shortened(names[0], MOST_OF_A_NAME)} ({why})"
        parts.append(single if len(names) == 1 else f"{len(names)} files: {why} ({listed(names, NAMED)})")
    while len(parts) > 1 and sum(map(len, parts)) > MOST_OF_ALL_REASONS:
        parts.pop()
    others = sum(len(names) for _, names in commonest[len(parts) :])
    return ", ".join(parts) + (f" and {others} more" if others else "")


def counted(number: int, thing: str) -> str:
    """`1 image`, `2 images`, `2 classes`."""
    plural = "" if number == 1 else "es" if thing.endswith("s") else "s"
    return f"{number} {thing}{plural}"
