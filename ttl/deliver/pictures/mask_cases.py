"""What the exported networks draw on test images: the worst cases and the median one, as pictures for the report."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from pathlib import Path
from typing import cast

import numpy as np

from ttl.data.masked_images import MaskedImages
from ttl.data.modality.overlay import overlay, picture
from ttl.deliver.deliverable import Deliverable
from ttl.deliver.pictures.cases import MaskCase, MaskCases, Which, write_pictures
from ttl.export.run import OnnxModel
from ttl.stats import metrics

FOLDER = "overlays"
WORST = 5


def draw_masks_of(networks: Mapping[Which, Deliverable], files: Mapping[Which, Path], folder: Path) -> MaskCases:
    """Write the pictures of some test images into the run folder, and say what they are.

    Of `networks` there is `full` alone where the whole one was chosen; `files` are what was exported of them.

    Raises:
        RunFolderError: no room, or no right to write.
    """
    task, split = networks["full"].task, cast(MaskedImages, networks["full"].splits["test"])
    models = {which: OnnxModel(path) for which, path in files.items()}
    dice = {which: _dice_by_image(deliverable) for which, deliverable in networks.items()}
    cases = []
    for number, (position, why) in enumerate(_picked(dice.get("chosen", dice["full"]))):
        pixels = split.pixels[position]
        masks = {"truth": split.masks[position].numpy()}
        masks |= {which: next(model.maps([pixels])).argmax(0) for which, model in models.items()}
        pictures = {"image": picture(pixels.numpy())}
        pictures |= {name: overlay(pixels.numpy(), mask, classes=split.classes - 1) for name, mask in masks.items()}
        figures = {which: {"dice": values[position]} for which, values in dice.items()}
        paths = write_pictures(folder, FOLDER, number, pictures)
        cases.append(MaskCase(id=task.test.ids[position], why=why, figures=figures, files=paths))
    return MaskCases(split="test", classes=task.class_names, cases=tuple(cases))


def _dice_by_image(deliverable: Deliverable) -> list[float]:
    """Of each test image; NaN where neither truth nor prediction has any foreground."""
    rows, task = deliverable.predicted["test"], deliverable.task
    labels = task.test.labels
    return [metrics(task.kind, labels[i : i + 1], rows[i : i + 1], ("dice",))["dice"] for i in range(len(rows))]


def _picked(dice: list[float]) -> list[tuple[int, str]]:
    """Positions of the cases to show, and why: the worst ones, then the median."""
    defined = [i for i in np.argsort(dice, kind="stable").tolist() if not isnan(dice[i])]
    worst = [(position, f"worst {rank} of {len(defined)}") for rank, position in enumerate(defined[:WORST], start=1)]
    return [*worst, (defined[len(defined) // 2], "median")] if len(defined) > WORST else worst
