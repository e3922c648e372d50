"""`ttl predict`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ttl.cli.command import Json, print_json, verb

if TYPE_CHECKING:
    from ttl.data import ImageList
    from ttl.export.file_decisions import FileDecision
    from ttl.export.run import FileModel
    from ttl.stats import DecisionRule


@verb("what an exported model makes of images", example="ttl predict ttl-run/model.onnx scan.png")
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx|.xml", help="A file that ttl exported.")],
    images: Annotated[
        Path, typer.Argument(metavar="IMAGE|DIR|CSV", help="An image, a folder of images, or a table that names them.")
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
    as_json: Json = False,
) -> None:
    """Say what an exported model makes of images: what it decides, and the probabilities; or draw their masks.

    It decides by the file's own rule, set on validation images. Patients come from a CSV, or from DICOM headers.
    """
    from ttl.data import Columns, read_image_list
    from ttl.export.file_decisions import rule_for
    from ttl.export.run import open_model

    file_model = open_model(model)
    contract = file_model.contract
    rule = rule_for(contract, threshold=threshold, per=decide_per, combine=combine)
    columns = Columns(image=image_column, group=group_column, root=image_root, suffix=image_suffix or "")
    given = read_image_list(images, columns)
    if contract.decoding.frame == "all":
        given = given.every_frame()
    if contract.per_pixel:
        look = _masks(file_model, given, out, rule)
    else:
        look = (_patients if rule.per == "patient" else _images)(file_model, given, rule)
    decided_by = "the file's rule" if rule == contract.rule else "options"
    rows = []
    for row, words in look:
        rows.append({**row, "decided_by": decided_by})
        if not as_json:
            typer.echo(words)
    if as_json:
        print_json(rows)
        return
    if rule != contract.rule:
        own = contract.rule.words(contract.class_names)
        typer.echo(f"Decided as the options say. The file's own rule: {own}")
    if contract.per_pixel:
        typer.echo(f"Masks are in {out / 'masks'}, the images with their outlines in {out / 'overlays'}.")


REMARKS = 3  # on images of one patient, in a line
Row = tuple[dict[str, object], str]
"""The result of an image or a patient: as JSON, and in words."""


def _name(path: Path | str) -> str:
    """A file's name as any terminal and JSON can hold it."""
    from ttl.words.text import printable

    return printable(str(path))


def _masks(model: FileModel, images: ImageList, out: Path, rule: DecisionRule) -> Iterator[Row]:
    from ttl.deliver.pictures.predicted_masks import draw_masks

    width = max(len(_name(name)) for name in images.names)
    threshold = model.contract.kind.pixel_threshold(rule)
    drawn = draw_masks(model, images.paths, images.root, out, threshold, images.frames)
    for row, patient in zip(drawn, images.patients, strict=True):
        shares = "  ".join(f"{name} {share:.1%}" for name, share in row["shares"].items())
        of_whom = {"patient": patient} if patient else {}
        names = {what: _name(row[what]) for what in ("image", "mask", "overlay")}
        words = f"{names['image']:<{width}}  {shares}  {names['mask']}{_also(row.get('remark', ''))}"
        yield {**row, **names, "threshold": threshold, **of_whom}, words


def _images(model: FileModel, images: ImageList, rule: DecisionRule) -> Iterator[Row]:
    from ttl.export.file_decisions import image_decisions
    from ttl.typed import to_json

    width = max(len(_name(name)) for name in images.names)
    for each in image_decisions(model, images, rule):
        of_whom = {"patient": each.patient} if each.patient else {}
        remark = {"remark": each.remark} if each.remark else {}
        yield (
            {"image": _name(each.image), **to_json(each.decided), **of_whom, **remark},
            (f"{_name(each.image):<{width}}  {_words(each.decided)}{_also(each.remark)}"),
        )


def _patients(model: FileModel, images: ImageList, rule: DecisionRule) -> Iterator[Row]:
    from ttl.export.file_decisions import patient_decisions
    from ttl.typed import to_json
    from ttl.words.counts import counted, listed

    width = max(map(len, images.patients))
    for each in patient_decisions(model, images, rule):
        seen = [
            {"image": _name(path), "probabilities": dict(row)}
            | ({"remark": each.remarks[path]} if path in each.remarks else {})
            for path, row in each.images.items()
        ]
        remarks = listed((f"{_name(path.name)}: {words}" for path, words in each.remarks.items()), REMARKS)
        yield (
            {"patient": each.patient, **to_json(each.decided), "images": seen},
            (f"{each.patient:<{width}}  {_words(each.decided)}  {counted(len(seen), 'image')}{_also(remarks)}"),
        )


def _also(remark: str) -> str:
    return f"  ({remark})" if remark else ""


def _words(decided: FileDecision) -> str:
    """What was decided, and the probabilities that it was decided by."""
    shares = "  ".join(f"{name} {value:.4f}" for name, value in decided.probabilities.items())
    if isinstance(decided.decision, tuple):
        return f"{', '.join(decided.decision) or 'none'}  ({shares})"
    if (finding := decided.finding) is not None:
        name = " or ".join(finding.classes)
        return f"{decided.decision} ({name} {finding.probability:.4f})  {decided.chosen}  ({shares})"
    return f"{decided.chosen}  ({shares})"
