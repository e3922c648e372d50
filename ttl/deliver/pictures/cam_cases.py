"""Grad-CAM of some test images, in the chosen and the whole network, as pictures for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttl.cut.gradcam import grad_cam
from ttl.data.kind import Kind, Rows
from ttl.data.modality.heat import heat
from ttl.data.modality.overlay import picture
from ttl.deliver.deliverable import Deliverable
from ttl.deliver.pictures.cases import Answer, CamCase, CamCases, Which
from ttl.deliver.pictures.write import write_pictures
from ttl.stats import THRESHOLD

FOLDER = "cams"
EACH, EACH_ALONE = 2, 4
"""Images of each way to be right or wrong: of four with two networks, of two where the whole network was chosen."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a network decides of each case, a case being an image, or in `multilabel` a label of an image.

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
        decisions: by network.
    """

    images: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    decisions: Mapping[Which, Decisions]


def draw_cams(networks: Mapping[Which, Deliverable], folder: Path) -> CamCases:
    """Write the maps of some test images, and say what they are.

    Args:
        networks: of one classification; `full` alone where the whole network was chosen.
        folder: the run folder.

    Raises:
        ModelError: the networks have no feature map to be seen.
        RunFolderError: a picture can't be written.
    """
    task = networks["full"].task
    rows = {which: deliverable.predicted["test"] for which, deliverable in networks.items()}
    cases = cases_of(task.kind, task.test.labels, rows)
    pictured = enumerate(picked(cases))
    return CamCases(
        split="test",
        cases=tuple(_case(networks, cases, at, why, folder, number) for number, (at, why) in pictured),
    )


def cases_of(kind: Kind, labels: npt.NDArray[np.int64], rows: Mapping[Which, Rows]) -> Cases:
    """The cases of a test split.

    Args:
        kind: of a classification; where an image has several labels, only those are cases that the image has, or the
            first network says it has.
        labels: `(n,)`, or `(n, classes)` with -1 for unknown.
        rows: network -> `(n, classes)` probabilities.
    """
    if kind.one_class_each:
        decisions = {
            name: Decisions(given.argmax(1), given.max(1), given.argmax(1) == labels) for name, given in rows.items()
        }
        return Cases(np.arange(len(labels)), labels, decisions)
    first = next(iter(rows.values()))
    images, columns = np.nonzero((labels == 1) | ((labels == 0) & (first >= THRESHOLD)))
    decisions = {}
    for name, given in rows.items():
        share = given[images, columns]
        present = (share >= THRESHOLD).astype(np.int64)
        decisions[name] = Decisions(present, np.maximum(share, 1 - share), present == labels[images, columns])
    return Cases(images, columns, decisions)


def picked(cases: Cases) -> list[tuple[int, str]]:
    """Positions of the cases to show, and why: of each way to be right or wrong those that are decided most surely."""
    judge = cases.decisions.get("chosen", cases.decisions["full"])
    if len(cases.decisions) == 1:
        ways, each = {"right": judge.right, "wrong": ~judge.right}, EACH_ALONE
    else:
        other = cases.decisions["full"]
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


def _surest(cases: Cases, judge: Decisions, way: npt.NDArray[np.bool_], most: int) -> list[int]:
    """The surest ones of that way, of one class (label) after the other as long as there are others."""
    order = [at for at in np.argsort(-judge.confidence, kind="stable").tolist() if way[at]]
    seen: dict[int, int] = {}
    turns = {}
    for at in order:
        label = int(cases.labels[at])
        turns[at] = seen[label] = seen.get(label, 0) + 1
    return sorted(order, key=turns.__getitem__)[:most]


def _case(networks: Mapping[Which, Deliverable], cases: Cases, at: int, why: str, folder: Path, number: int) -> CamCase:
    task = networks["full"].task
    names, several = task.class_names, not task.kind.one_class_each
    image, label = int(cases.images[at]), int(cases.labels[at])
    pixels = networks["full"].splits["test"].crops()[image]
    pictures = {"image": picture(pixels.numpy())}
    says: dict[Which, Answer] = {}
    sizes: dict[Which, tuple[int, ...]] = {}
    for which, deliverable in networks.items():
        decisions = cases.decisions[which]
        target = label if several else int(decisions.classes[at])
        (found,) = grad_cam(deliverable.model, deliverable.network_input("test", np.array([image])), target)
        pictures[which] = heat(pixels.numpy(), found)
        word = f"{'' if decisions.classes[at] else 'no '}{names[label]}" if several else names[target]
        says[which] = Answer(name=word, probability=float(decisions.confidence[at]), right=bool(decisions.right[at]))
        sizes[which] = tuple(found.shape)
    truth = f"{'' if not several or task.test.labels[image, label] else 'no '}{names[label]}"
    return CamCase(
        id=task.test.ids[image],
        why=why,
        truth=truth,
        says=says,
        map_of={which: names[label] if several else says[which].name for which in networks},
        map_size=sizes,
        files=write_pictures(folder, FOLDER, number, pictures),
    )
