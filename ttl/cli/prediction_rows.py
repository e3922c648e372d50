"""What `ttl predict` says of an image or a patient: for people, as JSON, and as cells of a CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ttl.typed import to_json
from ttl.words.counts import counted, listed
from ttl.words.text import printable

if TYPE_CHECKING:
    from ttl.data import ImageList
    from ttl.export.file_decisions import FileDecision
    from ttl.export.images_through import Unread
    from ttl.export.run import FileModel
    from ttl.stats import DecisionRule

REMARKS = 3
"""On images of one patient, in a line."""
BETWEEN_LABELS = "|"
"""In a cell of a CSV, as manifests have them."""


@dataclass(frozen=True)
class Row:
    """Of one image, or of one patient.

    Attributes:
        json: its values; `error` among them where nothing could be predicted.
        words: a line.
        cells: column of a CSV -> value.
        unread: name of each image of it that can't be predicted, and why.
    """

    json: Mapping[str, object]
    words: str
    cells: Mapping[str, object]
    unread: Mapping[str, str]

    def decided_by(self, whose: str) -> Row:
        """With whose rule it was that decided, where anything was decided."""
        if self.unread:
            return self
        return replace(self, json={**self.json, "decided_by": whose}, cells={**self.cells, "decided_by": whose})


def name_of(path: Path | str) -> str:
    """A file's name as any terminal and JSON can hold it."""
    return printable(str(path))


def columns_of(model: FileModel, rule: DecisionRule) -> tuple[str, ...]:
    """The header of the CSV."""
    contract = model.contract
    last = ("decided_by", "remark", "error")
    if contract.per_pixel:
        shares = (f"share {name}" for name in contract.class_names)
        return ("image", "patient", *shares, "threshold", "mask", "overlay", *last)
    whose = ("patient", "images") if rule.per == "patient" else ("image", "patient")
    return (*whose, "decision", "class", *(f"probability {name}" for name in contract.class_names), *last)


def mask_rows(model: FileModel, images: ImageList, rule: DecisionRule, out: Path) -> Iterator[Row]:
    """Of each image, whose masks are drawn to `out`.

    Raises:
        ExportError: see `draw_masks`; before the first row is asked for where it is known by then.
    """
    from ttl.deliver.pictures.predicted_masks import DrawnMask, draw_masks

    width, threshold = _width(images), model.contract.kind.pixel_threshold(rule)

    def row(drawn: DrawnMask) -> Row:
        image, files = name_of(drawn.image), {"mask": name_of(drawn.mask), "overlay": name_of(drawn.overlay)}
        shares = "  ".join(f"{name} {share:.1%}" for name, share in drawn.shares.items())
        values = {**files, "threshold": threshold, **_present(remark=drawn.remark, patient=drawn.patient)}
        return Row(
            json={"image": image, "shares": dict(drawn.shares), **values},
            words=f"{image:<{width}}  {shares}  {files['mask']}{_also(drawn.remark)}",
            cells={"image": image, **{f"share {name}": share for name, share in drawn.shares.items()}, **values},
            unread={},
        )

    drawn = draw_masks(model, images, out, threshold)
    return (row(each) if isinstance(each, DrawnMask) else _unread(each, width) for each in drawn)


def image_rows(model: FileModel, images: ImageList, rule: DecisionRule) -> Iterator[Row]:
    """Of each image."""
    from ttl.export.file_decisions import ImageDecision, image_decisions

    width = _width(images)
    for each in image_decisions(model, images, rule):
        if not isinstance(each, ImageDecision):
            yield _unread(each, width)
            continue
        image, also = name_of(each.image), _present(patient=each.patient, remark=each.remark)
        yield Row(
            json={"image": image, **to_json(each.decided), **also},
            words=f"{image:<{width}}  {_words(each.decided)}{_also(each.remark)}",
            cells={"image": image, **_cells(each.decided), **also},
            unread={},
        )


def patient_rows(model: FileModel, images: ImageList, rule: DecisionRule) -> Iterator[Row]:
    """Of each patient.

    Raises:
        UsageError: of an image no patient is known; before the first row is asked for.
    """
    from ttl.export.file_decisions import PatientDecision, UndecidedPatient, patient_decisions

    width = max(map(len, images.patients))

    def row(each: PatientDecision | UndecidedPatient) -> Row:
        seen: list[dict[str, object]] = [
            {"image": name_of(path), "probabilities": dict(row), **_present(remark=each.remarks.get(path, ""))}
            for path, row in each.images.items()
        ]
        patient = name_of(each.patient)
        if isinstance(each, UndecidedPatient):
            unread = {name_of(path): reason for path, reason in each.unread.items()}
            total = len(unread) + len(seen)
            error = f"{len(unread)} of {counted(total, 'image')} can't be used: {_reasons(unread)}"
            lost = [{"image": name, "error": reason} for name, reason in unread.items()]
            return Row(
                json={"patient": patient, "error": error, "images": [*seen, *lost]},
                words=f"{patient:<{width}}  not decided: {error}",
                cells={"patient": patient, "images": total, "error": error},
                unread=unread,
            )
        remarks = listed((f"{name_of(path.name)}: {words}" for path, words in each.remarks.items()), REMARKS)
        return Row(
            json={"patient": patient, **to_json(each.decided), "images": seen},
            words=f"{patient:<{width}}  {_words(each.decided)}  {counted(len(seen), 'image')}{_also(remarks)}",
            cells={"patient": patient, "images": len(seen), **_cells(each.decided), **_present(remark=remarks)},
            unread={},
        )

    return map(row, patient_decisions(model, images, rule))


def _unread(each: Unread, width: int) -> Row:
    image, also = name_of(each.image), _present(patient=each.patient)
    return Row(
        json={"image": image, **also, "error": each.reason},
        words=f"{image:<{width}}  not predicted: {each.reason}",
        cells={"image": image, **also, "error": each.reason},
        unread={image: each.reason},
    )


def _width(images: ImageList) -> int:
    return max(len(name_of(name)) for name in images.names)


def _present(**texts: str) -> dict[str, str]:
    """Those that aren't empty."""
    return {name: text for name, text in texts.items() if text}


def _also(remark: str) -> str:
    return f"  ({remark})" if remark else ""


def _reasons(unread: Mapping[str, str]) -> str:
    return listed((f"{Path(name).name} ({reason})" for name, reason in unread.items()), REMARKS)


def _cells(decided: FileDecision) -> dict[str, object]:
    decision = decided.decision if isinstance(decided.decision, str) else BETWEEN_LABELS.join(decided.decision)
    each = {f"probability {name}": value for name, value in decided.probabilities.items()}
    return {"decision": decision, "class": decided.chosen, **each}


def _words(decided: FileDecision) -> str:
    """What was decided, and the probabilities that it was decided by."""
    shares = "  ".join(f"{name} {value:.4f}" for name, value in decided.probabilities.items())
    if isinstance(decided.decision, tuple):
        return f"{', '.join(decided.decision) or 'none'}  ({shares})"
    if (finding := decided.finding) is not None:
        name = " or ".join(finding.classes)
        return f"{decided.decision} ({name} {finding.probability:.4f})  {decided.chosen}  ({shares})"
    return f"{decided.chosen}  ({shares})"
