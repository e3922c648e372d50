"""`ttl export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ttl.cli.command import app, show_next, verb
from ttl.cli.options import Config, Json
from ttl.cli.tables import checks_table, files_table
from ttl.errors import ExportError


@app.command(
    short_help="checked ONNX files of a fine-tuned model",
    epilog="Example: ttl export ttl-run --precision fp32 --precision int8",
)
@verb
def export(
    source: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", help="A run folder, or a trial's folder.")],
    precision: Annotated[
        list[str] | None, typer.Option(help="fp32, fp16 or int8; given again, a file each. [default: fp32]")
    ] = None,
    embed_preprocessing: Annotated[
        bool,
        typer.Option("--embed-preprocessing", help="The file takes decoded images of any size, gives probabilities."),
    ] = False,
    program: Annotated[bool, typer.Option("--program", help="A torch.export program (.pt2), too.")] = False,
    opset: Annotated[int | None, typer.Option(help="Of ONNX operators. [default: the exporter's choice]")] = None,
    margin: Annotated[
        float | None, typer.Option(help="The loss in the metric against fp32 that doesn't matter. [default: the run's]")
    ] = None,
    max_changed: Annotated[
        float | None,
        typer.Option(help="The share of test images that fp16 and int8 may decide otherwise. [default: 0.05]"),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="The terms that the files stand under, for their metadata and model cards.")
    ] = None,
    config: Config = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder, or the file where it is one. [default: RUN; model.onnx]")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Labelled images to judge by. [default: the run's]")] = None,
    as_json: Json = False,
) -> None:
    """Write the fine-tuned model as ONNX files. A file that fails a check is not kept, and the command fails."""
    from ttl.config import read_options
    from ttl.export.options import ExportConfig
    from ttl.run import export as export_to
    from ttl.typed import to_json

    flags = {
        "precision": tuple(precision) if precision else None,
        "embed_preprocessing": embed_preprocessing or None,
        "program": program or None,
        "opset": opset,
        "margin": margin,
        "max_changed": max_changed,
        "licence": licence,
    }
    told = read_options(ExportConfig, config, flags)

    def watch(event: Any) -> None:
        if not as_json:
            typer.echo(event.text)

    records = [to_json(record) for record in export_to(source, told, out=out, data=data, watch=watch)]
    _show(records, as_json)
    kept = [record for record in records if record["state"] == "passed"]
    if len(kept) < len(records):
        reasons = "; ".join(f"{r['file']} {r['state']}: {r['why'].rstrip('.')}" for r in records if r not in kept)
        raise ExportError(f"{reasons}.")
    if not as_json:
        folder = out if out and not out.suffix else (out.parent if out else source)
        files = [str(folder / record["file"]) for record in kept if record["file"].endswith(".onnx")]
        timed = [] if told.embed_preprocessing else [f"ttl bench {' '.join(files)}"]
        show_next(f"ttl predict {files[0]} IMAGE", *timed)


def _show(records: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(records, indent=1))
        return
    for record in records:
        if record["state"] == "passed":
            typer.echo(f"\n{record['file']}\n{checks_table(record['checks'])}")
    typer.echo(f"\n{files_table(records)}")
