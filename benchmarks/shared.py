"""What the benchmarks on a data set of the user's have in common: the network and the images they are told."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ttl.config import RunConfig

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
