"""The command line: parse, call the pipeline, print. Nothing else prints."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from ttl import processes
from ttl.cli.options import ENGINE, SEARCH_ONLY, Finish, Given, ImageSize, Json, Threads, with_options
from ttl.cli.tables import candidates_table, counts_table, duration, latency_table, listed, metrics
from ttl.errors import ExportError, TTLError, UsageError

if TYPE_CHECKING:
    from ttl.config import RunConfig
    from ttl.export.run import OnnxModel

app = typer.Typer(
    name="ttl",
    help="Truncated transfer learning: find the smallest cut of a pretrained network that is as good as the whole, "
    "and get it as a checked ONNX file.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

INTERRUPTED = 130


def _verb(work: Callable[..., None]) -> Callable[..., None]:
    """One line on stderr and the right exit status for every error a user can cause."""

    @wraps(work)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        if not processes.is_main():
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # of several, one speaks
        try:
            work(*args, **kwargs)
        except TTLError as error:
            _complain(str(error))
            raise typer.Exit(2 if isinstance(error, UsageError) else 1) from error
        except KeyboardInterrupt as error:
            _complain("Stopped. What was finished is kept: the same command again goes on from there.")
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from error
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            _complain(f"{error.strerror or error}{place}: nothing already written was lost.")
            raise typer.Exit(1) from error

    return wrapped


def _complain(text: str) -> None:
    typer.echo(f"ttl: {' '.join(text.split())}", err=True)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from ttl import __version__

        typer.echo(f"ttl {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(
    short_help="where a network can be cut, and what each cut costs",
    epilog="Example: ttl points resnet50 --image-size 224",
)
@_verb
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
    from ttl.backbones import load_backbone
    from ttl.points import truncation_points

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
    _next(
        f"ttl plan DATA {given}{' --within-weights' if 0 < len(within) < len(found) else ''}",
        f"ttl finetune DATA {given} --cut {within[len(within) // 2].name}",
    )


@app.command(
    short_help="what the data holds and what a search would cost", epilog="Example: ttl plan xray/ --model resnet50"
)
@_verb
@with_options(leave_out=("out", "lr", "pool", "dropout", "select", "margin", "track", *ENGINE))
def plan(given: Given, as_json: Json = False) -> None:
    """Show what the data holds, the split, the candidates, and what a search would cost. Trains nothing."""
    told = _config(given)
    from ttl.pipeline import plan as make_plan

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
    _next(f"ttl run {shlex.quote(told.data)} --model {told.model}{_given(told)}")


@app.command(
    short_help="all of it: search, fine-tune, test, export, report",
    epilog="Example: ttl run xray/ --model resnet50 --epochs 10 --out xray-run",
)
@_verb
@with_options()
def run(given: Given, as_json: Json = False) -> None:
    """Do all of it: search, fine-tune, test, export, report. The same command again runs only what is missing."""
    told = _config(given)
    from ttl.pipeline import run as run_all

    with _watching(as_json) as watch:
        finished = run_all(told, watch=watch)
    _conclude(finished, as_json)


@app.command(
    short_help="find the truncation point and fine-tune there",
    epilog="Example: ttl search xray/ --model resnet50 --strategy two-stage --epochs 10",
)
@_verb
@with_options()
def search(given: Given, as_json: Json = False) -> None:
    """Find the truncation point and fine-tune there; `ttl run` on the same folder exports and times it."""
    told = _config(given)
    from ttl.pipeline import run as run_all

    with _watching(as_json) as watch:
        finished = run_all(told, deliver=False, watch=watch)
    if as_json:
        typer.echo(json.dumps(finished.report["search"] | {"chosen": finished.report["chosen"]}, indent=1))
        return
    typer.echo(candidates_table(finished.report))
    typer.echo(f"Chosen: {finished.report['search']['reason']}.")
    _next(
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
@_verb
@with_options(leave_out=SEARCH_ONLY)
def finetune(
    given: Given,
    cut: Annotated[str, typer.Option(help="A point's name, its index from 1, or full.")] = "full",
    as_json: Json = False,
) -> None:
    """Fine-tune at one truncation point."""
    told = _config(given)
    from ttl.pipeline import finetune as tune

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
    _next(f"ttl export {folder}")


@app.command(short_help="a checked ONNX file of a fine-tuned model", epilog="Example: ttl export ttl-run")
@_verb
def export(
    source: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", help="A run folder, or a trial's folder.")],
    out: Annotated[Path | None, typer.Option(help="The file. [default: model.onnx in that folder]")] = None,
    data: Annotated[str | None, typer.Option(help="Images to check the file on. [default: the run's]")] = None,
    precision: Annotated[str, typer.Option(help="fp32.")] = "fp32",
) -> None:
    """Write the fine-tuned model as an ONNX file, and check that it computes the same."""
    if precision != "fp32":
        raise UsageError(f"--precision is {precision}, and only fp32 is there: leave it out")
    from ttl.pipeline import export as export_to

    path, result = export_to(source, out, data=data)
    typer.echo(
        f"{path}: {result.size_bytes / 1e6:.2f} MB, opset {result.opset}; differs from PyTorch by at most "
        f"{result.parity.max_abs:.2g} (allowed {result.parity.tolerance:.2g}) at batch {listed(result.parity.batches)}"
    )
    _next(f"ttl predict {path} IMAGE", f"ttl bench {path}")


@app.command(
    short_help="latency of ONNX files, side by side", epilog="Example: ttl bench ttl-run/model.onnx ttl-run/full.onnx"
)
@_verb
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


@app.command(
    short_help="what an exported model makes of images", epilog="Example: ttl predict ttl-run/model.onnx scan.png"
)
@_verb
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A file that ttl exported.")],
    images: Annotated[Path, typer.Argument(metavar="IMAGE|DIR", help="An image, or a folder of images.")],
    out: Annotated[Path, typer.Option(help="Of a segmentation: the folder of the masks and overlays.")] = Path("masks"),
    as_json: Json = False,
) -> None:
    """Say what an exported model makes of images: the class and the probability of each; or draw their masks."""
    from ttl.data import find_images, open_image
    from ttl.export.run import OnnxModel

    onnx_model = OnnxModel(model)
    classes = onnx_model.metadata.class_names
    paths = find_images(images)
    if onnx_model.metadata.kind == "segmentation":
        _draw(onnx_model, paths, images, out, as_json)
        return
    rows: list[dict[str, Any]] = []
    for start in range(0, len(paths), 64):
        chunk = paths[start : start + 64]
        probabilities = onnx_model.predict_images([open_image(path, onnx_model.metadata.window) for path in chunk])
        rows += [
            {
                "image": str(path),
                "class": classes[int(row.argmax())],
                "probabilities": dict(zip(classes, row.tolist(), strict=True)),
            }
            for path, row in zip(chunk, probabilities, strict=True)
        ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    width = max(len(str(row["image"])) for row in rows)
    for row in rows:
        shares = "  ".join(f"{name} {value:.4f}" for name, value in row["probabilities"].items())
        typer.echo(f"{row['image']:<{width}}  {row['class']}  ({shares})")


def _draw(model: OnnxModel, paths: Sequence[Path], root: Path, out: Path, as_json: bool) -> None:
    """Masks and overlays as files, and a line each."""
    from ttl.pipeline.draw import draw_masks

    width, drawn = max(len(str(path)) for path in paths), []
    for row in draw_masks(model, paths, root, out):
        drawn.append(row)
        if not as_json:
            shares = "  ".join(f"{name} {share:.1%}" for name, share in row["shares"].items())
            typer.echo(f"{row['image']:<{width}}  {shares}  {row['mask']}")
    if as_json:
        typer.echo(json.dumps(drawn, indent=1))
    else:
        typer.echo(f"Masks are in {out / 'masks'}, the images with their outlines in {out / 'overlays'}.")


@app.command(short_help="build report.html anew", epilog="Example: ttl report ttl-run")
@_verb
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, finished or not.")],
) -> None:
    """Build report.html anew."""
    from ttl.pipeline import rebuild_report

    typer.echo(f"{rebuild_report(run)}")


@app.command(short_help="the whole job on built-in data, offline", epilog="Example: ttl demo")
@_verb
def demo(
    out: Annotated[Path, typer.Option(help="The folder.")] = Path("ttl-demo"),
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
) -> None:
    """Run the whole job on built-in data: offline, about two minutes on two cores."""
    from ttl.demo import demo as run_demo

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
    from ttl.report import summary

    typer.echo(f"\n{candidates_table(content)}\n")
    typer.echo(latency_table(content["latency"]))
    for sentence in summary(content):
        typer.echo(f"\n{sentence}")
    if not finished.trained:
        typer.echo("\nNothing was trained: every fine-tune was in the run folder already.")
    typer.echo(f"\n{folder / 'model.onnx'}   the chosen model, checked against PyTorch")
    typer.echo(f"{folder / 'full.onnx'}    the whole network, fine-tuned the same way")
    typer.echo(f"{folder / 'report.html'}  why this point; open it in a browser")
    _next(
        f"ttl predict {folder / 'model.onnx'} IMAGE",
        f"ttl bench {folder / 'model.onnx'} {folder / 'full.onnx'}",
    )


def _next(*commands: str) -> None:
    typer.echo("\nNext:")
    for command in commands:
        typer.echo(f"  {command}")


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


def main() -> None:
    """Entry point of the `ttl` command."""
    app()
