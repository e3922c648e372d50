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
    given = read_image_list(images, Columns(image=image_column, group=group_column))
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


Row = tuple[dict[str, object], str]
"""The result of an image or a patient: as JSON, and in words."""


def _masks(model: FileModel, images: ImageList, out: Path, rule: DecisionRule) -> Iterator[Row]:
    from ttl.deliver.pictures.predicted_masks import draw_masks

    width = max(len(str(path)) for path in images.paths)
    threshold = model.contract.kind.pixel_threshold(rule)
    drawn = draw_masks(model, images.paths, images.root, out, threshold)
    for row, patient in zip(drawn, images.patients, strict=True):
        shares = "  ".join(f"{name} {share:.1%}" for name, share in row["shares"].items())
        of_whom = {"patient": patient} if patient else {}
        yield {**row, "threshold": threshold, **of_whom}, f"{row['image']:<{width}}  {shares}  {row['mask']}"


def _images(model: FileModel, images: ImageList, rule: DecisionRule) -> Iterator[Row]:
    from ttl.export.file_decisions import image_decisions
    from ttl.typed import to_json

    width = max(len(str(path)) for path in images.paths)
    for each in image_decisions(model, images, rule):
        of_whom = {"patient": each.patient} if each.patient else {}
        yield (
            {"image": str(each.image), **to_json(each.decided), **of_whom},
            (f"{each.image!s:<{width}}  {_words(each.decided)}"),
        )


def _patients(model: FileModel, images: ImageList, rule: DecisionRule) -> Iterator[Row]:
    from ttl.export.file_decisions import patient_decisions
    from ttl.typed import to_json
    from ttl.words.counts import counted

    width = max(map(len, images.patients))
    for each in patient_decisions(model, images, rule):
        seen = [{"image": str(path), "probabilities": dict(row)} for path, row in each.images.items()]
        yield (
            {"patient": each.patient, **to_json(each.decided), "images": seen},
            (f"{each.patient:<{width}}  {_words(each.decided)}  {counted(len(seen), 'image')}"),
        )


def _words(decided: FileDecision) -> str:
    """What was decided, and the probabilities that it was decided by."""
    shares = "  ".join(f"{name} {value:.4f}" for name, value in decided.probabilities.items())
    if isinstance(decided.decision, tuple):
        return f"{', '.join(decided.decision) or 'none'}  ({shares})"
    if (finding := decided.finding) is not None:
        name = " or ".join(finding.classes)
        return f"{decided.decision} ({name} {finding.probability:.4f})  {decided.chosen}  ({shares})"
    return f"{decided.chosen}  ({shares})"
