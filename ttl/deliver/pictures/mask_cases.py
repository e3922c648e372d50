"""What the exported networks draw on test images: the worst cases and the median one, as pictures for the report."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from ttl.data.modality.overlay import overlay, picture
from ttl.deliver.pictures.write import write_pictures
from ttl.export.run import OnnxModel
from ttl.run.prepared import Prepared
from ttl.run.trial import Record, predictions
from ttl.stats import metrics

FOLDER = "overlays"
WORST = 5


def draw_cases(prepared: Prepared, folder: Path, files: Mapping[str, Path], records: Mapping[str, Record]) -> Any:
    """Write the pictures of some test images, and say what they are.

    Args:
        prepared: the run.
        folder: the run folder.
        files: `chosen` and `full`: the exported networks; `full` alone where they are the same.
        records: of their fine-tunes, under the same names.

    Returns:
        the `overlays` section of report.json.

    Raises:
        RunFolderError: no room, or no right to write.
    """
    test, split = prepared.task.test, prepared.masked["test"]
    models = {name: OnnxModel(path) for name, path in files.items()}
    dice = {name: _dice_by_image(prepared, record) for name, record in records.items()}
    cases = []
    for number, (position, why) in enumerate(_picked(dice.get("chosen", dice["full"]))):
        pixels = split.pixels[position]
        masks = {"truth": split.masks[position].numpy()}
        masks |= {name: next(model.maps([pixels])).argmax(0) for name, model in models.items()}
        pictures = {"image": picture(pixels.numpy())}
        pictures |= {name: overlay(pixels.numpy(), mask, classes=split.classes - 1) for name, mask in masks.items()}
        cases.append(
            {
                "id": test.ids[position],
                "why": why,
                "figures": {name: {"dice": _plain(found[position])} for name, found in dice.items()},
                "files": write_pictures(folder, FOLDER, number, pictures),
            }
        )
    return {"split": "test", "classes": list(prepared.task.class_names), "cases": cases}


def _dice_by_image(prepared: Prepared, record: Record) -> list[float]:
    """Of each test image; NaN where neither truth nor prediction has any foreground."""
    rows, labels = predictions(record, "test"), prepared.task.test.labels
    return [metrics("segmentation", labels[i : i + 1], rows[i : i + 1], ("dice",))["dice"] for i in range(len(rows))]


def _picked(dice: list[float]) -> list[tuple[int, str]]:
    """Positions of the cases to show, and why: the worst ones, then the median."""
    defined = [i for i in np.argsort(dice, kind="stable").tolist() if not isnan(dice[i])]
    worst = [(position, f"worst {rank} of {len(defined)}") for rank, position in enumerate(defined[:WORST], start=1)]
    median = defined[len(defined) // 2] if defined else None
    return worst + [(median, "median")] * (median is not None and len(defined) > WORST)


def _plain(value: float) -> float | None:
    return None if isnan(value) else value
