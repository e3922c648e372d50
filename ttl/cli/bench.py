"""`ttl bench`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import typer.core

from ttl.cli.options import ImageSize, Json, Threads
from ttl.cli.tables import latency_table
from ttl.errors import ExportError

if TYPE_CHECKING:
    pass

from ttl.cli.command import app, verb


@app.command(
    short_help="latency of ONNX files, side by side", epilog="Example: ttl bench ttl-run/model.onnx ttl-run/full.onnx"
)
@verb
def bench(
    files: Annotated[
        list[Path], typer.Argument(metavar="A.onnx [B.onnx ...]", help="The last is what ratios are against.")
    ],
    batch: Annotated[int, typer.Option(help="Images a call.")] = 1,
    threads: Threads = None,
    runs: Annotated[int, typer.Option(help="Timed calls of each file.")] = 200,
    image_size: ImageSize = None,
    as_json: Json = False,
) -> None:
    """Time ONNX files on the CPU, interleaved in one process, with ratios and their 95 % intervals."""
    from dataclasses import asdict

    from ttl.cost.latency import bench as measure
    from ttl.cost.latency import latency_rows
    from ttl.stats import ratio_interval

    models = {str(path): path for path in files}
    side = image_size or _side(files)
    timings = measure(models, batch=batch, threads=threads, runs=runs, image_size=side)
    rows = latency_rows(timings, reference=str(files[-1]) if len(models) > 1 else None, ratio=ratio_interval)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=1))
        return
    typer.echo(
        f"{timings.hardware.cpu}, {rows[0].threads} threads, batch {batch}, {rows[0].runtime}, {rows[0].runs} runs"
    )
    typer.echo(latency_table([asdict(row) for row in rows]))


def _side(files: Sequence[Path]) -> int | None:
    """What files that take images of any size are timed at: the crops that they were trained on, of one size."""
    from ttl.export.metadata import read_metadata

    sides = set()
    for path in files:
        with suppress(ExportError):  # a file of somebody else's
            sides.add(read_metadata(path).image_size)
    return sides.pop() if len(sides) == 1 else None
