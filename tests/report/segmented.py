"""The report of a made-up study, of the types that a run writes: a U-Net on nuclei."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ttl.data.kind import KINDS
from ttl.data.modality.overlay import overlay, picture
from ttl.deliver.pictures.cases import MaskCase, MaskCases
from ttl.report.schema import RunReport, decided, searched
from ttl.stats import Aim, DecisionRule
from ttl.words.estimate import Estimate

from . import example
from .example_decided import believable

# params and MACs of the decoder that belongs to each point of `example.POINTS`
DECODERS = [
    (9_280, 151_040_000), (60_416, 454_000_000), (60_416, 454_000_000), (213_888, 806_000_000),
    (213_888, 806_000_000), (863_360, 1_180_000_000), (863_360, 1_180_000_000), (3_151_552, 1_565_000_000),
    (3_151_552, 1_565_000_000),
]  # fmt: skip
METRICS = ("dice", "jaccard", "dice_pooled", "jaccard_pooled")
CLASSES = ("background", "nucleus", "debris")
CASES = (("images/003.png", "worst 1 of 24"), ("images/017.png", "median"))


def estimates(auprc: Estimate) -> dict[str, Estimate]:
    """Of a split, from the AUPRC of the same study on X-rays."""
    dice, half_width = auprc.value - 0.05, auprc.value - auprc.ci_low
    shares = {
        name: example.estimate(round(dice - drop, 4), half_width)
        for name, drop in zip(METRICS, (0.0, 0.082, -0.011, 0.064), strict=True)
    }
    far = round(60 * (1 - dice), 3)
    return shares | {"hd95": Estimate(far, round(0.8 * far, 3), round(1.3 * far, 3))}


def costs(index: int) -> dict[str, int]:
    *_, encoder_params, encoder_macs = example.POINTS[index - 1]
    params, macs = DECODERS[index - 1]
    return {
        "encoder_params": encoder_params,
        "encoder_macs": encoder_macs,
        "params": encoder_params + params,
        "macs": encoder_macs + macs,
    }


def point(index: int) -> searched.UNetPointRecord:
    decoder: dict[str, Any] = {"skips": ("relu",), "skip_channels": (64,), "entry": "decoder.blocks.0.conv1.0"}
    enters = None if index == len(example.POINTS) else 5 - example.point(index).stage
    return searched.UNetPointRecord(
        **(vars(example.point(index)) | costs(index)), **decoder, enters=enters, entry_channels=576, entry_is_new=False
    )


def result(of: Any) -> Any:
    """A point's result as that of a U-Net."""
    return replace(of, **costs(of.index), val=estimates(of.val["auprc"]), test=estimates(of.test["auprc"]))


def candidate(of: searched.CandidateResult) -> searched.CandidateResult:
    dice = [epoch.val["auprc"] - 0.05 for epoch in of.curve]
    curve = (replace(epoch, val={"dice": d, "jaccard": d - 0.08}) for epoch, d in zip(of.curve, dice, strict=True))
    return replace(result(of), curve=tuple(curve))  # type: ignore[no-any-return]


def case(number: int, name: str, why: str) -> MaskCase:
    files = {what: f"overlays/{number}-{what}.png" for what in ("image", "truth", "full", "chosen")}
    dice = {"chosen": {"dice": 0.71 + number / 5}, "full": {"dice": 0.74 + number / 5}}
    return MaskCase(id=name, why=why, figures=dice, files=files)  # type: ignore[arg-type]


def at_point(threshold: float | None, dice: Estimate) -> decided.AtPoint:
    """Masks by a threshold, or of the most probable class."""
    rule = DecisionRule(
        finding=(CLASSES[1],) if threshold else (),
        thresholds=(threshold,) if threshold else (),
        aim=Aim("dice"),
        per="pixel",
    )
    return decided.AtPoint(rule=rule, words=rule.words(CLASSES), rates={"dice": dice})


def believed(of: decided.Believable) -> decided.Believable:
    """Probabilities of pixels."""
    return replace(of, bias={name: example.estimate(0.012, 0.015) for name in CLASSES})


@cache
def finished() -> RunReport:
    """The search chose layer3.1 of the encoder; the test images don't tell the two apart."""
    study = example.finished()
    task = replace(
        study.task,
        name="nuclei",
        kind=KINDS["segmentation"],
        class_names=CLASSES,
        counts={
            "train": dict(zip(CLASSES, (76, 76, 31), strict=True)),
            "val": dict(zip(CLASSES, (20, 20, 8), strict=True)),
            "test": dict(zip(CLASSES, (24, 23, 9), strict=True)),
        },
        split_images={"train": 76, "val": 20, "test": 24},
        pixel_share={"background": 0.861, "nucleus": 0.1312, "debris": 0.0078},
        unlabelled_share=0.0,
        distance_unit="px",
    )
    assert study.chosen
    assert study.full
    return replace(
        example.changed(example.changed(study, "comparison.metric", "dice"), "model.name", "unet:resnet18"),
        metric="dice",
        task=task,
        points=tuple(point(index) for index in range(1, 10)),
        candidates=tuple(map(candidate, study.candidates)),
        search=replace(study.search, reason="layer3.1 has the highest validation score, 0.9220, of 7 points tried."),
        chosen=result(study.chosen),
        full=result(study.full),
        decisions=decided.Decisions(
            split="test",
            units=24,
            prevalence=math.nan,
            full=at_point(None, estimates(study.full.test["auprc"])["dice"]),
            chosen=at_point(None, estimates(study.chosen.test["auprc"])["dice"]),
        ),
        probabilities=decided.Probabilities(
            split="test", full=believed(believable(1.0, 0.001)), chosen=believed(believable(0.71, 0.018))
        ),
        curves=None,
        confusion=None,
        calibration=None,
        cams=None,
        per_class={
            "chosen": {"dice": {"nucleus": 0.941, "debris": 0.885}, "hd95": {"nucleus": 2.314, "debris": 14.52}},
            "full": {"dice": {"nucleus": 0.938, "debris": 0.882}, "hd95": {"nucleus": 2.5, "debris": math.nan}},
        },
        overlays=MaskCases(
            split="test", classes=CLASSES, cases=tuple(case(number, *named) for number, named in enumerate(CASES))
        ),
    )


@cache
def whole_network() -> RunReport:
    """The same study, in which no smaller candidate was as good."""
    study = finished()
    assert study.per_class
    assert study.decisions
    return replace(
        study,
        chosen=study.full,
        per_class={"full": study.per_class["full"]},
        decisions=replace(study.decisions, chosen=None),
    )


def draw(folder: Path) -> None:
    """The pictures of the two cases: a square nucleus on grey."""
    (folder / "overlays").mkdir()
    pixels = np.full((1, 8, 8), 60, np.uint8)
    mask = np.zeros((8, 8), np.uint8)
    mask[2:6, 2:6] = 1
    for number in range(len(CASES)):
        (folder / f"overlays/{number}-image.png").write_bytes(picture(pixels))
        for name in ("truth", "full", "chosen"):
            (folder / f"overlays/{number}-{name}.png").write_bytes(overlay(pixels, mask, classes=2))
