"""Texts put together."""

from __future__ import annotations


def capitalised(text: str) -> str:
    """The text with a capital letter first; the rest stays as it is (`AUROC of the cut`)."""
    return f"{text[:1].upper()}{text[1:]}"
