"""Grad-CAM of some test images, in the chosen and the whole network, as pictures for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from ttl.cut.gradcam import grad_cam
from ttl.data.modality.heat import heat
from ttl.data.modality.overlay import picture
from ttl.deliver.pictures.write import write_pictures
from ttl.export.bundle import load_bundle
from ttl.finetune import normalised
from ttl.run.prepared import Prepared
from ttl.run.trial import Record, Rows, predictions
from ttl.stats import THRESHOLD
from ttl.study.study import Study

FOLDER = "cams"
EACH, EACH_ALONE = 2, 4
"""Images of each way to be right or wrong: of four with two networks, of two where the whole network was chosen."""


@dataclass(frozen=True, eq=False)
class Said:
    """What a network says of each case, a case being an image, or in `multilabel` a label of an image.

    Attributes:
        classes: `(cases,)` the class that it gives; in `multilabel` 1 for present and 0 for absent.
        confidence: `(cases,)` its probability.
        right: `(cases,)`.
    """

    classes: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Cases:
    """What could be shown.

    Attributes:
        images: `(cases,)` positions in the test split.
        labels: `(cases,)` in `multilabel` which label it is; else the true class.
        said: by network.
    """

    images: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    said: Mapping[str, Said]


def draw_cams(prepared: Prepared, study: Study, records: Mapping[str, Record]) -> dict[str, Any]:
    """Write the maps of some test images, and say what they are.

    Args:
        prepared: the run, of a classification.
        study: the run folder.
        records: of the fine-tunes, `chosen` and `full`; `full` alone where they are the same.

    Returns:
        the `cams` section of report.json.

    Raises:
        ModelError: the networks have no feature map to be seen.
        RunFolderError: a model can't be read, or a picture can't be written.
    """
    models = {
        network: load_bundle(study.trial_folder(record["id"]), backbone=prepared.backbone.model)[0]
        for network, record in records.items()
    }
    cases = cases_of(
        prepared.task.kind, prepared.task.test.labels, {name: predictions(of, "test") for name, of in records.items()}
    )
    content = [
        _case(prepared, models, cases, at, why, study.folder, number) for number, (at, why) in enumerate(picked(cases))
    ]
    return {"split": "test", "cases": content}


def cases_of(kind: str, labels: npt.NDArray[np.int64], rows: Mapping[str, Rows]) -> Cases:
    """The cases of a test split.

    Args:
        kind: `binary`, `multiclass` or `multilabel`; of the last one only those labels are cases that the image has, or
            the first network says it has.
        labels: `(n,)`, or `(n, classes)` with -1 for unknown.
        rows: network -> `(n, classes)` probabilities.
    """
    if kind != "multilabel":
        said = {name: Said(given.argmax(1), given.max(1), given.argmax(1) == labels) for name, given in rows.items()}
        return Cases(np.arange(len(labels)), labels, said)
    first = next(iter(rows.values()))
    images, columns = np.nonzero((labels == 1) | ((labels == 0) & (first >= THRESHOLD)))
    said = {}
    for name, given in rows.items():
        share = given[images, columns]
        present = (share >= THRESHOLD).astype(np.int64)
        said[name] = Said(present, np.maximum(share, 1 - share), present == labels[images, columns])
    return Cases(images, columns, said)


def picked(cases: Cases) -> list[tuple[int, str]]:
    """Positions of the cases to show, and why: of each way to be right or wrong those that are told most surely."""
    judge = cases.said.get("chosen", cases.said["full"])
    if len(cases.said) == 1:
        ways, each = {"right": judge.right, "wrong": ~judge.right}, EACH_ALONE
    else:
        other = cases.said["full"]
        ways, each = (
            {
                "both right": judge.right & other.right,
                "truncated right, whole wrong": judge.right & ~other.right,
                "truncated wrong, whole right": ~judge.right & other.right,
                "both wrong": ~judge.right & ~other.right,
            },
            EACH,
        )
    return [
        (at, f"{why}, one of {int(way.sum())}") for why, way in ways.items() for at in _surest(cases, judge, way, each)
    ]


def _surest(cases: Cases, judge: Said, way: npt.NDArray[np.bool_], most: int) -> list[int]:
    """The surest ones of that way, of one class (label) after the other as long as there are others."""
    order = [at for at in np.argsort(-judge.confidence, kind="stable").tolist() if way[at]]
    seen: dict[int, int] = {}
    turns = {}
    for at in order:
        label = int(cases.labels[at])
        turns[at] = seen[label] = seen.get(label, 0) + 1
    return sorted(order, key=turns.__getitem__)[:most]


def _case(
    prepared: Prepared, models: Mapping[str, nn.Module], cases: Cases, at: int, why: str, folder: Path, number: int
) -> dict[str, Any]:
    names, several = prepared.task.class_names, prepared.task.kind == "multilabel"
    image, label = int(cases.images[at]), int(cases.labels[at])
    pixels, spec = prepared.images["test"].pixels[image], prepared.backbone.spec
    pictures, says, rows = {"image": picture(pixels.numpy())}, {}, {}
    for network, model in models.items():
        said = cases.said[network]
        target = label if several else int(said.classes[at])
        (found,) = grad_cam(model, normalised(pixels[None], spec.mean, spec.std), target)
        pictures[network] = heat(pixels.numpy(), found)
        word = f"{'' if said.classes[at] else 'no '}{names[label]}" if several else names[target]
        says[network] = {"class": word, "probability": float(said.confidence[at]), "right": bool(said.right[at])}
        rows[network] = list(found.shape)
    test = prepared.task.test
    truth = f"{'' if not several or test.labels[image, label] else 'no '}{names[label]}"
    return {
        "id": test.ids[image],
        "why": why,
        "truth": truth,
        "says": says,
        "map_of": {network: names[label] if several else says[network]["class"] for network in models},
        "map_size": rows,
        "files": write_pictures(folder, FOLDER, number, pictures),
    }
