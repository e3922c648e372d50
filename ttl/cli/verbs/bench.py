"""`ttl bench`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Annotated

import typer

from ttl import __version__
from ttl.cli.command import Json, print_json, verb
from ttl.cli.flags import size_given
from ttl.cli.tables import latency_table
from ttl.errors import ExportError, UsageError
from ttl.words.sides import ImageSize, parsed

if TYPE_CHECKING:
    from ttl.cost.bench import Bench
    from ttl.cost.latency import Latency
    from ttl.cost.subject import Subject

RECORDED = ("torch", "onnxruntime", "numpy")


@verb("latency of models, side by side", example="ttl bench ttl-run/model.onnx ttl-run/full.onnx")
def bench(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="A.onnx [B.onnx C.xml ...] | RUN",
            help="The last file is what ratios are against. Of a run folder, model.onnx and full.onnx, and the same "
            "two in PyTorch.",
        ),
    ],
    batch: Annotated[
        list[int] | None, typer.Option(help="Images a call; may be given several times. [default: 1]")
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(help="CPU threads; may be given several times. [default: 1, and all; on CUDA 1]")
    ] = None,
    runs: Annotated[int, typer.Option(help="Timed calls of each model, all processes together.")] = 200,
    processes: Annotated[int, typer.Option(help="Fresh processes that it is repeated in.")] = 3,
    seconds: Annotated[
        float, typer.Option(help="Limit for warming up and timing it all; opening and compiling come on top.")
    ] = 60.0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    compiled: Annotated[
        bool, typer.Option("--compiled/--no-compiled", help="Of a run folder: time torch.compile, too.")
    ] = True,
    image_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIDE|HxW",
            help="Size of the images, for files that leave it open. [default: that of the run's crops]",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Time models in turns, in several fresh processes, with ratios and their 95 % intervals."""
    from importlib.metadata import version

    from ttl.cost.bench import bench as measure
    from ttl.cost.latency import latency_rows
    from ttl.stats import ratio_interval

    size = size_given(image_size, parsed)
    subjects = _subjects(models, compiled=compiled, is_sized=size is not None)
    timed = measure(
        subjects,
        batches=batch or [1],
        threads=threads,
        runs=runs,
        processes=processes,
        seconds=seconds,
        device=device,
        image_size=size or _size_of([subject.path for subject in subjects if not subject.loader]),
        tell=lambda text: typer.echo(text, err=True),
    )
    names = [subject.name for subject in subjects]
    rows = latency_rows(timed, reference=names[-1] if len(set(names)) > 1 else None, ratio=ratio_interval)
    versions = {"ttl": __version__, "python": python_version(), **{name: version(name) for name in RECORDED}}
    if as_json:
        measured = {"versions": versions, "settled": timed.warm, "cut_short": timed.cut_short}
        print_json(asdict(timed.conditions) | measured | {"rows": [asdict(row) for row in rows]})
    else:
        typer.echo("\n".join([*_head(timed, rows, versions), "", latency_table(rows)]))


def _subjects(paths: Sequence[Path], *, compiled: bool, is_sized: bool) -> Sequence[Subject]:
    """What is timed."""
    from ttl.cost.subject import ONNXRUNTIME, OPENVINO, Subject
    from ttl.export.run import properties_of

    folders = [path for path in paths if path.is_dir()]
    if not folders:
        for path in paths:
            properties_of(path)
        runtimes = {path: OPENVINO if path.suffix == ".xml" else ONNXRUNTIME for path in paths}
        return [Subject(str(path), path, runtime) for path, runtime in runtimes.items()]
    if len(paths) > 1 or is_sized:
        raise UsageError(f"{folders[0]} is a run folder: give it alone, without --image-size; or name ONNX files.")
    from ttl.run.delivering import subjects_of

    return subjects_of(folders[0], compiled=compiled)


def _size_of(files: Sequence[Path]) -> ImageSize | None:
    """What files that take images of any size are timed at: the crops that they were trained on, of one size."""
    from ttl.export.contract import from_properties
    from ttl.export.run import properties_of

    sizes = set()
    for path in files:
        with suppress(ExportError):  # a file of somebody else's
            sizes.add(from_properties(properties_of(path), path).sides)
    return sizes.pop() if len(sizes) == 1 else None


def _head(timed: Bench, rows: Sequence[Latency], versions: dict[str, str]) -> list[str]:
    """What it was measured on and how; a line for each thing that makes the figures worth less."""
    conditions, machine = timed.conditions, timed.conditions.hardware
    on = f"{machine.cpu}, {machine.cores} cores" + (f", {machine.gpu}" if machine.gpu else "")
    loads = [conditions.load_average_before, conditions.load_average_after]
    if None not in loads:
        on += f"; load average {loads[0]} before, {loads[1]} after"
    counts = sorted({row.runs for row in rows if not row.failed})
    runs = "-".join(dict.fromkeys(str(count) for count in (counts[:1] + counts[-1:])))
    listed = ", ".join(f"{name} {of}" for name, of in versions.items())
    lines = [on, f"{listed}; {runs} runs of each, in {timed.processes} fresh processes"]
    if conditions.busy:
        lines.append("Warning: others were computing when timing began. Time it again on an idle machine.")
    if not timed.warm:
        lines.append("Warning: times had not settled when timing began: give more --seconds, or free the machine.")
    if timed.cut_short:
        lines.append(f"Stopped before {timed.runs} runs of each by --seconds: percentiles that need more are left out.")
    return lines
