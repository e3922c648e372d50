"""`ttl export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import typer.core

from ttl.cli.tables import listed
from ttl.errors import UsageError

if TYPE_CHECKING:
    pass

from ttl.cli.command import app, show_next, verb


@app.command(short_help="a checked ONNX file of a fine-tuned model", epilog="Example: ttl export ttl-run")
@verb
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
    show_next(f"ttl predict {path} IMAGE", f"ttl bench {path}")
