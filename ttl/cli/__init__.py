"""The command line: parse, call the rooms below, print. Nothing else prints."""

from __future__ import annotations

from ttl.cli import verbs
from ttl.cli.command import app

__all__ = ["app", "main", "verbs"]


def main() -> None:
    """Entry point of the `ttl` command."""
    app()
