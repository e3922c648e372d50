"""`ttl export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttl.cli.command import Json, print_json, show_next, verb
from ttl.cli.flags import with_options
from ttl.cli.tables import checks_table, files_table
from ttl.errors import ExportError
from ttl.export.options import ExportConfig

if TYPE_CHECKING:
    from ttl.run.events import Event


@verb("checked ONNX files of a fine-tuned model", example="ttl export ttl-run --precision fp32 --precision int8")
@with_options(ExportConfig)
def export(
    source: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", help="A run folder, or a trial's folder.")],
    options: ExportConfig,
    out: Annotated[
        Path | None, typer.Option(help="The folder, or the file where it is one. [default: RUN; model.onnx]")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Labelled images to judge by. [default: the run's]")] = None,
    as_json: Json = False,
) -> None:
    """Write the fine-tuned model as ONNX files. A file that fails a check is not kept, and the command fails."""
    from ttl.run import export as export_to
    from ttl.run.events import Note
    from ttl.typed import to_json

    def watch(event: Event) -> None:
        if not as_json and isinstance(event, Note):
            typer.echo(event.text)

    files = export_to(source, options, out=out, data=data, watch=watch)
    passed = [file for file in files if file.state == "passed"]
    if as_json:
        print_json([to_json(file) for file in files])
    else:
        checked = [f"\n{file.file}\n{checks_table(file.checks or ())}" for file in passed]
        typer.echo("\n".join([*checked, f"\n{files_table(files)}"]))
    if len(passed) < len(files):
        failed = [file for file in files if file.state != "passed"]
        reasons = (f"{file.file} {file.state}: {(file.why or '').rstrip('.')}" for file in failed)
        raise ExportError(f"{'; '.join(reasons)}.")
    if not as_json:
        folder = out.parent if out and out.suffix else out or source
        ready = [str(folder / file.file) for file in passed if file.file.endswith((".onnx", ".xml"))]
        timed = [] if options.embed_preprocessing else [f"ttl bench {' '.join(ready)}"]
        if ready:
            show_next(f"ttl predict {ready[0]} IMAGE", *timed)
