"""The command line: parse, call the pipeline, print. Nothing else prints."""

from __future__ import annotations

from ttl.cli import bench, export, predict, report, work
from ttl.cli.command import app

__all__ = ["app", "bench", "export", "main", "predict", "report", "work"]


def main() -> None:
    """Entry point of the `ttl` command."""
    app()
