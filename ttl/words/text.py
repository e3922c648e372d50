"""Texts put together."""

from __future__ import annotations

import re

LONGEST_LINE = 600
"""Characters of a message: beyond, nobody finds the cause in it."""
GAP = " ... "
SURROGATE = re.compile("[\ud800-\udfff]")
"""What Python reads bytes as that aren't UTF-8."""


def capitalised(text: str) -> str:
    """The text with a capital letter first; the rest stays as it is (`AUROC of the cut`)."""
    return f"{text[:1].upper()}{text[1:]}"


def shortened(text: str, limit: int = LONGEST_LINE) -> str:
    """The text, less its middle where it is longer than `limit` characters.

    What a message is about stands at its beginning, and what to do at its end: both stay.
    """
    if len(text) <= limit:
        return text
    ending = (limit - len(GAP)) // 2
    return text[: limit - len(GAP) - ending] + GAP + text[-ending:]


def printable(text: str) -> str:
    r"""A text that any file and terminal can hold: bytes of names that aren't UTF-8 become `\xff`, the rest stays."""
    return SURROGATE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", text)
