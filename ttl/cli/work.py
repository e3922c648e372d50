"""The verbs that search and fine-tune."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from ttl.cli.options import ENGINE, SEARCH_ONLY, Finish, Given, ImageSize, Json, with_options
from ttl.cli.tables import candidates_table, counts_table, duration, latency_table, metrics

if TYPE_CHECKING:
    from ttl.config import RunConfig

from ttl.cli.command import app, show_next, verb


@app.command(
    short_help="where a network can be cut, and what each cut costs",
    epilog="Example: ttl points resnet50 --image-size 224",
)
@verb
def points(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A timm name, tv:NAME for torchvision, or unet:ENCODER.")
    ],
    image_size: ImageSize = None,
    weights: Annotated[str, typer.Option(help="A checkpoint that must fit; points beyond it are marked.")] = "none",
    finish: Finish = None,
    as_json: Json = False,
) -> None:
    """List where a network can be cut: name, stage, channels, stride, params, MACs."""
    from ttl.cut.points import truncation_points
    from ttl.networks import load_backbone

    backbone = load_backbone(model, weights=weights, image_size=image_size)
    missing = () if weights == "none" else backbone.weights.missing
    found = truncation_points(
        backbone.model, image_size=backbone.spec.image_size, finish=finish or "block", missing=missing
    )
    if as_json:
        content = {
            "model": backbone.name,
            "image_size": backbone.spec.image_size,
            "points": found.to_json(),
            "macs_without_formula": found.without_formula,
        }
        typer.echo(json.dumps(content, indent=1))
        return
    size = backbone.spec.image_size
    typer.echo(f"{backbone.name} at {size} x {size}: {len(found)} truncation points")
    if weights != "none":
        typer.echo(backbone.weights.summary())
    typer.echo(repr(found))
    within = [point for point in found if point.is_within_weights] or found
    given = f"--model {model}" + (f" --weights {weights}" if weights != "none" else "")
    show_next(
        f"ttl plan DATA {given}{' --within-weights' if 0 < len(within) < len(found) else ''}",
        f"ttl finetune DATA {given} --cut {within[len(within) // 2].name}",
    )


@app.command(
    short_help="what the data holds and what a search would cost", epilog="Example: ttl plan xray/ --model resnet50"
)
@verb
@with_options(leave_out=("out", "lr", "pool", "dropout", "select", "margin", "track", *ENGINE))
def plan(given: Given, as_json: Json = False) -> None:
    """Show what the data holds, the split, the candidates, and what a search would cost. Trains nothing."""
    told = _config(given)
    from ttl.run import plan as make_plan

    planned = make_plan(told)
    capped = told.epochs
    if as_json:
        content = {
            "task": planned.task,
            "weights": planned.weights,
            "coarse": planned.coarse,
            "most_trials": planned.most_trials,
            "macs_per_epoch": planned.macs_per_epoch,
            "seconds_per_epoch": planned.seconds_per_epoch,
            "points": planned.points.to_json(),
            "notes": planned.notes,
        }
        typer.echo(json.dumps(content, indent=1))
        return
    typer.echo(counts_table(planned.task))
    for note in planned.notes:
        typer.echo(note)
    typer.echo(f"\n{told.model}: {planned.weights}\n{planned.points!r}\n")
    typer.echo(f"The search begins with {planned.begins}; at most {planned.most_trials} fine-tunes.")
    typer.echo(
        f"An epoch of the whole network: {planned.macs_per_epoch / 1e12:.2f} T multiply-adds, "
        f"about {duration(planned.seconds_per_epoch)} here; smaller cuts take less."
    )
    if capped:
        most = planned.most_trials * capped * planned.seconds_per_epoch
        typer.echo(f"So at most about {duration(most)} with --epochs {capped}.")
    show_next(f"ttl run {shlex.quote(told.data)} --model {told.model}{_given(told)}")


@app.command(
    short_help="all of it: search, fine-tune, test, export, report",
    epilog="Example: ttl run xray/ --model resnet50 --epochs 10 --out xray-run",
)
@verb
@with_options()
def run(given: Given, as_json: Json = False) -> None:
    """Do all of it: search, fine-tune, test, export, report. The same command again runs only what is missing."""
    told = _config(given)
    from ttl.run import run as run_all

    with _watching(as_json) as watch:
        finished = run_all(told, watch=watch)
    _conclude(finished, as_json)


@app.command(
    short_help="find the truncation point and fine-tune there",
    epilog="Example: ttl search xray/ --model resnet50 --strategy two-stage --epochs 10",
)
@verb
@with_options()
def search(given: Given, as_json: Json = False) -> None:
    """Find the truncation point and fine-tune there; `ttl run` on the same folder exports and times it."""
    told = _config(given)
    from ttl.run import run as run_all

    with _watching(as_json) as watch:
        finished = run_all(told, deliver=False, watch=watch)
    if as_json:
        typer.echo(json.dumps(finished.report["search"] | {"chosen": finished.report["chosen"]}, indent=1))
        return
    typer.echo(candidates_table(finished.report))
    typer.echo(f"Chosen: {finished.report['search']['reason']}.")
    show_next(
        f"ttl run {shlex.quote(told.data)} --model {told.model}{_given(told)}",
        f"ttl report {finished.folder}",
    )


class _WithRecipes(typer.core.TyperCommand):
    """A command whose help ends with the table of recipes."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The recipes, a line each with its source, then the example."""
        from ttl.finetune.recipes import RECIPES

        with formatter.section("Recipes"):
            formatter.write_dl([(row.name, f"{row.summary} ({row.source})") for row in RECIPES.values()])
        super().format_epilog(ctx, formatter)


@app.command(
    cls=_WithRecipes,
    short_help="fine-tune at one truncation point",
    epilog="Example: ttl finetune xray/ --model resnet50 --cut layer3.5 --recipe bn",
)
@verb
@with_options(leave_out=SEARCH_ONLY)
def finetune(
    given: Given,
    cut: Annotated[str, typer.Option(help="A point's name, its index from 1, or full.")] = "full",
    as_json: Json = False,
) -> None:
    """Fine-tune at one truncation point."""
    told = _config(given)
    from ttl.run import finetune as tune

    with _watching(as_json) as watch:
        tuned = tune(told, cut, watch=watch)
    record, folder = tuned.record, tuned.folder
    spread = tuned.repeats.spread() if told.seeds > 1 else None
    if as_json:
        shown = {key: value for key, value in record.items() if key != "predictions"}
        typer.echo(json.dumps(shown | {"folder": str(folder)} | ({"spread": spread} if spread else {}), indent=1))
        return
    for split, words in (("val", "validation"), ("test", "test")):
        which = f" of seed {record['seed']}" if spread else ""
        table = metrics(record[split], spread, split, record.get("distance_unit", ""))
        typer.echo(f"{record['cut']}, {words}{which} (95 % interval):\n{table}")
    for note in record["notes"]:
        typer.echo(note)
    typer.echo(f"Saved in {folder}")
    show_next(f"ttl export {folder}")


@app.command(short_help="the whole job on built-in data, offline", epilog="Example: ttl demo")
@verb
def demo(
    out: Annotated[Path, typer.Option(help="The folder.")] = Path("ttl-demo"),
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
) -> None:
    """Run the whole job on built-in data: offline, about two minutes on two cores."""
    from ttl.run.demo import demo as run_demo

    with _watching(False) as watch:
        finished = run_demo(out, seed=seed, watch=watch)
    _conclude(finished, False)


def _config(given: Given) -> RunConfig:
    """The options of a verb, over those of the TOML file that `--config` names."""
    from ttl.config import load_config

    flags = {name: value for name, value in given.items() if name not in ("config", "label_column")}
    flags["label_columns"] = tuple(given.get("label_column") or ()) or None
    # A switch that wasn't given leaves the file's word alone.
    flags |= {name: flags.get(name) or None for name in ("skip_bad", "within_weights")}
    return load_config(given["config"], flags)


def _watching(quiet: bool) -> Any:
    from ttl.cli.console import watching

    return watching(quiet)


def _conclude(finished: Any, as_json: bool) -> None:
    """The verdict, the files, and the next commands."""
    content, folder = finished.report, finished.folder
    if as_json:
        typer.echo(json.dumps(content, indent=1))
        return
    from ttl.report import report_of, summary

    typer.echo(f"\n{candidates_table(content)}\n")
    typer.echo(latency_table(content["latency"]))
    for sentence in summary(report_of(content, where=str(folder / "report.json"))):
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


def _given(told: RunConfig) -> str:
    """The flags that repeat what differs from the defaults, ready to be typed."""
    flags: list[str] = []
    for name, field in type(told).model_fields.items():
        value = getattr(told, name)
        if name in ("data", "model") or value == field.default:
            continue
        flag = f"--{name.replace('_', '-')}"
        if name == "label_columns":
            flags += [f"--label-column {shlex.quote(column)}" for column in value]
        else:
            words = value if isinstance(value, tuple) else (value,)
            flags.append(flag if value is True else " ".join([flag, *(shlex.quote(str(word)) for word in words)]))
    return "".join(f" {flag}" for flag in flags)
