"""Test images as pictures for the report: masks that the exported networks draw, and Grad-CAM of classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from ttl.cut.gradcam import grad_cam
from ttl.data.kind import Kind, Rows
from ttl.data.masked_images import MaskedImages
from ttl.data.modality.overlay import heat, overlay, picture
from ttl.deliver.deliverable import Deliverable, in_turns
from ttl.deliver.pictures.cases import Answer, CamCase, CamCases, MaskCase, MaskCases, Which, write_pictures
from ttl.export.run import OnnxModel
from ttl.stats import DecisionRule, metrics
from ttl.stats.mask_overlap import decided

WORST = 5
EACH, EACH_ALONE = 2, 4
"""Images of each way to be right or wrong: of four with two networks, of two where the whole network was chosen."""


def draw_masks_of(networks: Mapping[Which, Deliverable], files: Mapping[Which, Path], folder: Path) -> MaskCases:
    """Write the pictures of some test images into the run folder, and say what they are.

    Of `networks` there is `full` alone where the whole one was chosen; `files` are what was exported of them.

    Raises:
        RunFolderError: a picture can't be written.
    """
    task, split = networks["full"].task, cast(MaskedImages, networks["full"].splits["test"])
    models = {which: OnnxModel(path) for which, path in files.items()}
    dice = {which: _dice_by_image(deliverable) for which, deliverable in networks.items()}
    cases = []
    for number, (position, why) in enumerate(_worst_and_median(dice.get("chosen", dice["full"]))):
        pixels = split.pixels[position]
        masks = {"truth": split.masks[position].numpy()}
        masks |= {
            which: decided(next(model.maps([pixels])), model.contract.mask_threshold) for which, model in models.items()
        }
        pictures = {"image": picture(pixels.numpy())}
        pictures |= {name: overlay(pixels.numpy(), mask, classes=split.classes - 1) for name, mask in masks.items()}
        figures = {which: {"dice": values[position]} for which, values in dice.items()}
        paths = write_pictures(folder, "overlays", number, pictures)
        cases.append(MaskCase(id=task.test.ids[position], why=why, figures=figures, files=paths))
    return MaskCases(split="test", classes=task.class_names, cases=tuple(cases))


def _dice_by_image(deliverable: Deliverable) -> list[float]:
    """Of each test image; NaN where neither truth nor prediction has any foreground."""
    rows, task = deliverable.predicted["test"], deliverable.task
    labels = task.test.labels
    return [metrics(task.kind, labels[i : i + 1], rows[i : i + 1], ("dice",))["dice"] for i in range(len(rows))]


def _worst_and_median(dice: list[float]) -> list[tuple[int, str]]:
    """Positions of the cases to show, and why: the worst ones, then the median."""
    defined = [i for i in np.argsort(dice, kind="stable").tolist() if not isnan(dice[i])]
    worst = [(position, f"worst {rank} of {len(defined)}") for rank, position in enumerate(defined[:WORST], start=1)]
    return [*worst, (defined[len(defined) // 2], "median")] if len(defined) > WORST else worst


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a network decides of each case, an image or in `multilabel` a label of an image: arrays `(cases,)`.

    `classes` is what it gives, in `multilabel` 1 for present and 0 for absent; `confidence` is the probability of that.
    """

    classes: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Cases:
    """What could be shown: positions in the test split `(cases,)`, and the true class, in `multilabel` which label."""

    images: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    decisions: Mapping[Which, Decisions]


def draw_cams(networks: Mapping[Which, Deliverable], folder: Path) -> CamCases:
    """Write the maps of some test images into the run folder, and say what they are.

    Of `networks` there is `full` alone where the whole one was chosen.

    Raises:
        ModelError: the networks have no feature map to be seen.
        RunFolderError: a picture can't be written.
    """
    task = networks["full"].task
    rows = {which: deliverable.predicted["test"] for which, deliverable in networks.items()}
    rules = {which: deliverable.contract.rule for which, deliverable in networks.items()}
    cases = cases_of(task.kind, task.class_names, task.test.labels, rows, rules)
    drawn = (_case(networks, cases, at, why, folder, number) for number, (at, why) in enumerate(picked(cases)))
    return CamCases(split="test", cases=tuple(drawn))


def cases_of(
    kind: Kind,
    class_names: Sequence[str],
    labels: npt.NDArray[np.int64],
    rows: Mapping[Which, Rows],
    rules: Mapping[Which, DecisionRule],
) -> Cases:
    """The cases of a test split; where an image has several labels, those that it has or the first network gives it.

    `labels` are `(n,)`, or `(n, classes)` with -1 for unknown; `rows` are probabilities `(n, classes)`, and `rules` say
    what each network makes of them: of two classes, and of labels, by their thresholds.
    """
    if kind.one_class_each:
        decisions = {}
        for name, of in rows.items():
            given = of.argmax(1) if kind.several_classes else rules[name].decisions(of, class_names)
            decisions[name] = Decisions(given, of[np.arange(len(of)), given], given == labels)
        return Cases(np.arange(len(labels)), labels, decisions)
    called = {name: rules[name].decisions(of, class_names) for name, of in rows.items()}
    images, columns = np.nonzero((labels == 1) | ((labels == 0) & (next(iter(called.values())) == 1)))
    decisions = {}
    for name, of in rows.items():
        share, present = of[images, columns], called[name][images, columns]
        decisions[name] = Decisions(
            present, np.where(present == 1, share, 1 - share), present == labels[images, columns]
        )
    return Cases(images, columns, decisions)


def picked(cases: Cases) -> list[tuple[int, str]]:
    """Positions of the cases to show, and why: of each way to be right or wrong those that are decided most surely.

    They are of one class (label) after the other as long as there are others.
    """
    whole = cases.decisions["full"]
    judge = cases.decisions.get("chosen", whole)
    if judge is whole:
        ways, each = {"right": judge.right, "wrong": ~judge.right}, EACH_ALONE
    else:
        ways = {
            "both right": judge.right & whole.right,
            "truncated right, whole wrong": judge.right & ~whole.right,
            "truncated wrong, whole right": ~judge.right & whole.right,
            "both wrong": ~judge.right & ~whole.right,
        }
        each = EACH
    surest = np.argsort(-judge.confidence, kind="stable")
    return [
        (at, f"{why}, one of {int(way.sum())}")
        for why, way in ways.items()
        for at in in_turns(surest[way[surest]], cases.labels)[:each].tolist()
    ]


def _case(networks: Mapping[Which, Deliverable], cases: Cases, at: int, why: str, folder: Path, number: int) -> CamCase:
    task = networks["full"].task
    names, several = task.class_names, not task.kind.one_class_each
    image, label = int(cases.images[at]), int(cases.labels[at])
    pixels = networks["full"].splits["test"].crops()[image].numpy()
    pictures = {"image": picture(pixels)}
    says: dict[Which, Answer] = {}
    sizes: dict[Which, tuple[int, ...]] = {}
    for which, deliverable in networks.items():
        decisions = cases.decisions[which]
        target = label if several else int(decisions.classes[at])
        (found,) = grad_cam(deliverable.model, deliverable.network_input("test", np.array([image])), target)
        pictures[which] = heat(pixels, found)
        word = f"{'' if decisions.classes[at] else 'no '}{names[label]}" if several else names[target]
        says[which] = Answer(name=word, probability=float(decisions.confidence[at]), right=bool(decisions.right[at]))
        sizes[which] = tuple(found.shape)
    return CamCase(
        id=task.test.ids[image],
        why=why,
        truth=f"{'' if not several or task.test.labels[image, label] else 'no '}{names[label]}",
        says=says,
        map_of={which: names[label] if several else says[which].name for which in networks},
        map_size=sizes,
        files=write_pictures(folder, "cams", number, pictures),
    )
