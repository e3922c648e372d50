"""The command line: parse, call the rooms below, print. Nothing else prints."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from ttl.cli import verbs
from ttl.cli.command import app

__all__ = ["app", "main", "verbs"]


def main() -> None:
    """Entry point of the `ttl` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # of any encoding: what it can't hold is escaped, and nothing crashes
            stream.reconfigure(errors="backslashreplace")
    app()
