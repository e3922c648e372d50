"""`ttl run`, `ttl search` and `ttl demo`: the whole job, the half of it that chooses, and the job on built-in data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttl.cli.command import Json, print_json, show_next, verb
from ttl.cli.flags import command_of, with_options
from ttl.cli.tables import candidates_table, latency_table
from ttl.config import RunConfig
from ttl.typed import to_json

if TYPE_CHECKING:
    from ttl.run import Finished


@verb(
    "all of it: search, fine-tune, test, export, report",
    example="ttl run xray/ --model resnet50 --epochs 10 --out xray-run",
)
@with_options(RunConfig)
def run(options: RunConfig, as_json: Json = False) -> None:
    """Do all of it: search, fine-tune, test, export, report. The same command again runs only what is missing."""
    _conclude(_run(options, quiet=as_json), as_json)


@verb(
    "find the truncation point and fine-tune there",
    example="ttl search xray/ --model resnet50 --strategy two-stage --epochs 10",
)
@with_options(RunConfig)
def search(options: RunConfig, as_json: Json = False) -> None:
    """Find the truncation point and fine-tune there; `ttl run` on the same folder exports and times it."""
    finished = _run(options, deliver=False, quiet=as_json)
    report = finished.report
    if as_json:
        print_json({**to_json(report.search), "chosen": to_json(report.chosen)})
        return
    typer.echo(candidates_table(report))
    typer.echo(f"Chosen: {report.search.reason}.")
    show_next(command_of("run", options), f"ttl report {finished.folder}")


@verb("the whole job on built-in data, offline", example="ttl demo")
def demo(
    out: Annotated[Path, typer.Option(help="The folder.")] = Path("ttl-demo"),
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
) -> None:
    """Run the whole job on built-in data: offline, about two minutes on two cores."""
    from ttl.cli.console import watching
    from ttl.run.demo import demo as run_demo

    with watching(quiet=False) as watch:
        finished = run_demo(out, seed=seed, watch=watch)
    _conclude(finished, False)


def _run(options: RunConfig, *, deliver: bool = True, quiet: bool) -> Finished:
    from ttl.cli.console import watching
    from ttl.run import run as run_all

    with watching(quiet) as watch:
        return run_all(options, deliver=deliver, watch=watch)


def _conclude(finished: Finished, as_json: bool) -> None:
    """The verdict, the files, and the next commands."""
    report, folder = finished.report, finished.folder
    if as_json:
        print_json(to_json(report))
        return
    from ttl.report import summary

    typer.echo(f"\n{candidates_table(report)}\n")
    typer.echo(latency_table(report.latency))
    for sentence in summary(report):
        typer.echo(f"\n{sentence}")
    if not finished.trained:
        typer.echo("\nNothing was trained: every fine-tune was in the run folder already.")
    typer.echo(f"\n{folder / 'model.onnx'}   the chosen model, checked against PyTorch")
    typer.echo(f"{folder / 'full.onnx'}    the whole network, fine-tuned the same way")
    typer.echo(f"{folder / 'report.html'}  why this point; open it in a browser")
    show_next(
        f"ttl predict {folder / 'model.onnx'} IMAGE",
        f"ttl bench {folder / 'model.onnx'} {folder / 'full.onnx'}",
    )
