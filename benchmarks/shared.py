"""What the benchmarks on a data set of the user's have in common: the network and the images they are told."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ttl.config import RunConfig
from ttl.run.context import RunContext, context_of
from ttl.run.events import unwatched
from ttl.run.prepare import prepare
from ttl.run.provenance import machine, versions
from ttl.study.folder import Study
from ttl.typed import to_json

TOLD = ("data", "model", "weights", "image_size", "threads")


def study_parser(description: str | None, results: Path) -> argparse.ArgumentParser:
    """A command line that takes the data, the network, the threads, and where the figures go."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--results", type=Path, default=results)
    return parser


def study_config(told: argparse.Namespace, **more: Any) -> RunConfig:
    """The options of a run on what was told."""
    return RunConfig(**{name: getattr(told, name) for name in TOLD}, **more)


def measured_on() -> dict[str, Any]:
    """Versions and hardware, as JSON values."""
    return {"versions": versions(), "hardware": to_json(machine())}


def context_in(config: RunConfig, folder: Path) -> RunContext:
    """A run's setting with its decoded images, kept in a folder."""
    return context_of(prepare(config, unwatched), Study(folder))
