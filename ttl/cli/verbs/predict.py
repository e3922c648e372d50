"""`ttl predict`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ttl.cli.command import verb
from ttl.cli.prediction_rows import columns_of, image_rows, mask_rows, name_of, patient_rows
from ttl.cli.row_writers import STDOUT, csv_rows, json_array
from ttl.errors import DataError, UsageError
from ttl.words.counts import counted, grouped_reasons, listed

if TYPE_CHECKING:
    from ttl.cli.prediction_rows import Row
    from ttl.data import ImageList

NAMED = 5
"""Files that a note names."""


@verb("what an exported model makes of images", example="ttl predict ttl-run/model.onnx scans/ --csv all.csv")
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx|.xml", help="A file that ttl exported.")],
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE|DIR|CSV ...", help="Images, folders of images, and tables that name them."),
    ],
    out: Annotated[Path, typer.Option(help="Of a segmentation: the folder of the masks and overlays.")] = Path("masks"),
    threshold: Annotated[
        float | None, typer.Option(help="Decide by this probability, of each label. [default: the file's own]")
    ] = None,
    decide_per: Annotated[
        Literal["image", "patient"] | None, typer.Option(help="What is decided on. [default: the file's own]")
    ] = None,
    combine: Annotated[
        Literal["mean", "max"] | None,
        typer.Option(help="The probability of a patient, of those of the images. [default: the file's own]"),
    ] = None,
    image_column: Annotated[
        str | None, typer.Option(help="Column of a CSV with the paths of the images. [default: by its name]")
    ] = None,
    group_column: Annotated[
        str | None, typer.Option(help="Column of a CSV with the patient. [default: by its name]")
    ] = None,
    image_root: Annotated[
        Path | None, typer.Option(help="Folder that the paths in a CSV start from. [default: the CSV's]")
    ] = None,
    image_suffix: Annotated[
        str | None, typer.Option(help="What is added to the names in a CSV that are no image's, as .png.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE|-", help="Write the rows as CSV to a file, or instead of text.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads. [default: the cores that this process may use]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text: an array, row by row.")] = False,
) -> None:
    """Say what an exported model makes of images: what it decides, and the probabilities; or draw their masks.

    It decides by the file's own rule, set on validation images. Patients come from a CSV, or from DICOM headers. Rows
    come as they are done; what can't be read has a row with the reason, and the exit status is then 1.
    """
    if as_json and csv == STDOUT:
        raise UsageError("--json and --csv - both write to stdout: give one of them, or a file with --csv.")
    from ttl.cost.session import resolve_threads
    from ttl.data import Columns, read_image_lists
    from ttl.export.file_decisions import rule_for
    from ttl.export.run import open_model

    threads = resolve_threads(threads)
    file_model = open_model(model, threads)
    contract = file_model.contract
    rule = rule_for(contract, threshold=threshold, per=decide_per, combine=combine)
    columns = Columns(image=image_column, group=group_column, root=image_root, suffix=image_suffix or "")
    given = read_image_lists(images, columns)
    if contract.decoding.frame == "all":
        given = given.every_frame()
    _check_csv(csv, [model, *images, *given.paths])
    _one_torch_thread()
    if contract.per_pixel:
        rows = mask_rows(file_model, given, rule, out)
    else:
        rows = (patient_rows if rule.per == "patient" else image_rows)(file_model, given, rule)
    _note_what_is_not_read(given)
    decided_by = "the file's rule" if rule == contract.rule else "options"
    unread: dict[str, str] = {}
    with ExitStack() as stack:
        writers: list[Callable[[Row], None]] = []
        if csv is not None:
            to_csv = stack.enter_context(csv_rows(csv, columns_of(file_model, rule)))
            writers.append(lambda row: to_csv(row.cells))
        if as_json:
            to_json = stack.enter_context(json_array())
            writers.append(lambda row: to_json(row.json))
        elif csv != STDOUT:
            writers.append(lambda row: typer.echo(row.words))
        for row in rows:
            for write in writers:
                write(row.decided_by(decided_by))
            unread |= row.unread
    if not as_json and csv != STDOUT:
        if rule != contract.rule:
            own = contract.rule.words(contract.class_names)
            typer.echo(f"Decided as the options say. The file's own rule: {own}")
        if contract.per_pixel:
            typer.echo(f"Masks are in {out / 'masks'}, the images with their outlines in {out / 'overlays'}.")
    if unread:
        total = counted(len(given.paths), "image")
        raise DataError(f"{len(unread)} of {total} can't be predicted: {grouped_reasons(unread)}.")


def _check_csv(csv: Path | None, inputs: Sequence[Path]) -> None:
    """Refuse to write the rows over what they are made from."""
    if csv is not None and csv != STDOUT and os.path.realpath(csv) in {os.path.realpath(path) for path in inputs}:
        raise UsageError(f"--csv {csv} is one of the files that are read: name another.")


def _one_torch_thread() -> None:
    """PyTorch only normalises pixels here, and its idle threads would spin beside those of onnxruntime."""
    import torch

    torch.set_num_threads(1)


def _note_what_is_not_read(images: ImageList) -> None:
    """On stderr, before the first row."""
    if images.left_out:
        names = listed((name_of(path.name) for path in images.left_out), NAMED)
        typer.echo(f"Left out {counted(len(images.left_out), 'file')} whose suffix is no image's: {names}", err=True)
    if images.own:
        names = listed((name_of(path) for path in images.own), NAMED)
        typer.echo(f"Left out {counted(len(images.own), 'picture')} that ttl predict drew: {names}", err=True)
