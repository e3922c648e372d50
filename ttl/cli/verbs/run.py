"""The verbs that train: `ttl run`, `ttl search` and `ttl demo`, and `ttl finetune` at one point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ttl.cli.command import Json, print_json, show_next, verb
from ttl.cli.flags import command_of, with_options
from ttl.cli.help import Command
from ttl.cli.tables import candidates_table, latency_table, metrics
from ttl.config import RunConfig
from ttl.typed import to_json

if TYPE_CHECKING:
    from ttl.run.flow import Finished

SPLITS = {"val": "validation", "test": "test"}


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
    from ttl.report import undertrained

    lines = candidates_table(report), f"Chosen: {report.search.reason}.", *undertrained(report).values()
    typer.echo("\n".join(lines))
    show_next(command_of("run", options), f"ttl report {finished.folder}")


@verb("the whole job on built-in data, offline", example="ttl demo")
def demo(
    out: Annotated[Path, typer.Option(help="The folder.")] = Path("ttl-demo"),
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
) -> None:
    """Run the whole job on built-in data: offline, about two minutes on two cores."""
    from ttl.cli.console import watching
    from ttl.run.flow import demo as run_demo

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

    model, full = folder / "model.onnx", folder / "full.onnx"
    paragraphs = [f"\n{candidates_table(report)}", latency_table(report.latency)]
    if not finished.trained:
        paragraphs.append("Nothing was trained: every fine-tune was in the run folder already.")
    typer.echo("\n\n".join([*paragraphs, *summary(report)]))
    typer.echo(f"\n{model}   the chosen model, checked against PyTorch")
    typer.echo(f"{full}    the whole network, fine-tuned the same way")
    typer.echo(f"{folder / 'report.html'}  why this point; open it in a browser")
    show_next(f"ttl predict {model} IMAGE", f"ttl bench {model} {full}")


class _WithRecipes(Command):
    """A command whose help ends with the table of recipes."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The recipes, a line each with its source, then the example."""
        from ttl.finetune.recipes import RECIPES

        with formatter.section("Recipes"):
            formatter.write_dl([(row.name, f"{row.summary} ({row.source})") for row in RECIPES.values()])
        super().format_epilog(ctx, formatter)


@verb(
    "fine-tune at one truncation point",
    example="ttl finetune xray/ --model resnet50 --cut layer3.5 --recipe bn",
    cls=_WithRecipes,
)
@with_options(RunConfig, leave_out=("search", "candidates", "judging", "workers"))
def finetune(
    options: RunConfig,
    cut: Annotated[str, typer.Option(help="A point's name, its index from 1, or full.")] = "full",
    test: Annotated[bool, typer.Option("--test", help="Look at the test images, too.")] = False,
    as_json: Json = False,
) -> None:
    """Fine-tune at one truncation point; the test images are left alone unless `--test` asks for them."""
    from ttl.cli.console import watching
    from ttl.run import finetune as tune

    with watching(as_json) as watch:
        tuned = tune(options, cut, test=test, watch=watch)
    record, spread = tuned.record, tuned.runs.spread(tuned.tested)
    of_test = {"test": tuned.tested[record.id].figures} if test else {}
    if as_json:
        content = to_json(record)
        del content["predictions"]  # as long as the data
        content |= {name: to_json(figures) for name, figures in of_test.items()}
        print_json(content | {"folder": str(tuned.folder)} | ({"spread": to_json(spread)} if spread else {}))
        return
    which = f" of seed {record.seed}" if spread else ""
    for split, figures in {"val": record.val, **of_test}.items():
        table = metrics(figures, spread, split, record.distance_unit)
        typer.echo(f"{record.cut}, {SPLITS[split]}{which} (95 % interval):\n{table}")
    typer.echo("\n".join([*record.notes, f"Saved in {tuned.folder}"]))
    show_next(f"ttl export {tuned.folder}")
