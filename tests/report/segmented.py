"""report.json of a made-up study, as the pipeline writes it: a U-Net on nuclei."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ttl.report.overlay import overlay, picture

from . import example

# params and MACs of the decoder that belongs to each point of `example.POINTS`
DECODERS = [
    (9_280, 151_040_000), (60_416, 454_000_000), (60_416, 454_000_000), (213_888, 806_000_000),
    (213_888, 806_000_000), (863_360, 1_180_000_000), (863_360, 1_180_000_000), (3_151_552, 1_565_000_000),
    (3_151_552, 1_565_000_000),
]  # fmt: skip
METRICS = ("dice", "jaccard", "dice_pooled", "jaccard_pooled", "hd95")
CLASSES = ["background", "nucleus", "debris"]
CASES = [("images/003.png", "worst 1 of 24"), ("images/017.png", "median")]


def estimates(dice: float, half_width: float) -> dict[str, dict[str, float]]:
    shares = {
        name: example.estimate(round(dice - drop, 4), half_width)
        for name, drop in zip(METRICS[:4], (0.0, 0.082, -0.011, 0.064), strict=True)
    }
    far = round(60 * (1 - dice), 3)
    return shares | {"hd95": {"value": far, "ci_low": round(0.8 * far, 3), "ci_high": round(1.3 * far, 3)}}


def of_u_net(figures: dict[str, Any]) -> dict[str, Any]:
    """Params, MACs and metrics of a point or a candidate as those of a U-Net."""
    params, macs = DECODERS[figures["index"] - 1]
    counted = {
        "encoder_params": figures["params"],
        "encoder_macs": figures["macs"],
        "params": figures["params"] + params,
        "macs": figures["macs"] + macs,
    }
    return figures | counted | {split: of_split(figures[split]) for split in ("val", "test") if split in figures}


def of_split(found: dict[str, Any]) -> dict[str, Any]:
    return estimates(found["auprc"]["value"] - 0.05, found["auprc"]["value"] - found["auprc"]["ci_low"])


def candidate(known: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for row in known["curve"]:
        dice = row["val_auprc"] - 0.05
        kept = {key: value for key, value in row.items() if key != "val_auprc"}
        rows.append(kept | {"val_dice": dice, "val_jaccard": dice - 0.08})
    return of_u_net(known) | {"curve": rows}


def per_class() -> dict[str, Any]:
    return {
        "chosen": {"dice": {"nucleus": 0.941, "debris": 0.885}, "hd95": {"nucleus": 2.314, "debris": 14.52}},
        "full": {"dice": {"nucleus": 0.938, "debris": 0.882}, "hd95": {"nucleus": 2.5, "debris": None}},
    }


def case(number: int, id_: str, why: str) -> dict[str, Any]:
    files = {name: f"overlays/{number}-{name}.png" for name in ("image", "truth", "full", "chosen")}
    figures = {"chosen": {"dice": 0.71 + number / 5}, "full": {"dice": 0.74 + number / 5}}
    return {"id": id_, "why": why, "figures": figures, "files": files}


def finished() -> dict[str, Any]:
    """The search chose layer3.1 of the encoder; the test images don't tell the two apart."""
    study = example.finished()
    for key in ("curves", "confusion", "calibration", "cams"):
        del study[key]
    study["metric"] = study["comparison"]["metric"] = "dice"
    study["model"]["name"] = "unet:resnet18"
    study["task"] |= {
        "name": "nuclei",
        "kind": "segmentation",
        "class_names": CLASSES,
        "counts": {
            "train": {"background": 76, "nucleus": 76, "debris": 31},
            "val": {"background": 20, "nucleus": 20, "debris": 8},
            "test": {"background": 24, "nucleus": 23, "debris": 9},
        },
        "split_images": {"train": 76, "val": 20, "test": 24},
        "pixel_share": {"background": 0.861, "nucleus": 0.1312, "debris": 0.0078},
        "distance_unit": "px",
    }
    for key in ("chosen", "full"):
        study[key] = of_u_net(study[key])
    study["points"] = [of_u_net(point) for point in study["points"]]
    study["candidates"] = [candidate(known) for known in study["candidates"]]
    study["search"]["reason"] = "layer3.1 has the highest validation score, 0.9220, of 7 points tried."
    study["per_class"] = per_class()
    shown = [case(number, *named) for number, named in enumerate(CASES)]
    return study | {"overlays": {"split": "test", "classes": CLASSES, "cases": shown}}


def whole_network() -> dict[str, Any]:
    """The same study, in which no smaller candidate was as good."""
    study = finished()
    return study | {"chosen": study["full"], "per_class": {"full": study["per_class"]["full"]}}


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
