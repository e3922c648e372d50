"""report.json of a made-up study, as the pipeline writes it: ResNet-18 on chest X-rays."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np

from ttl.report.heat import heat
from ttl.report.overlay import picture

# name, stage, stage end, channels, reduction, params, MACs
POINTS = [
    ("stem", 1, True, 64, 4, 9_536, 118_013_952),
    ("layer1.0", 2, False, 64, 4, 83_520, 349_224_960),
    ("layer1.1", 2, True, 64, 4, 157_504, 580_435_968),
    ("layer2.0", 3, False, 128, 8, 387_648, 760_623_104),
    ("layer2.1", 3, True, 128, 8, 683_072, 991_834_112),
    ("layer3.0", 4, False, 256, 16, 1_602_112, 1_171_972_096),
    ("layer3.1", 4, True, 256, 16, 2_782_784, 1_403_183_104),
    ("layer4.0", 5, False, 512, 32, 6_455_872, 1_583_321_088),
    ("layer4.1", 5, True, 512, 32, 11_176_512, 1_814_532_096),
]
# index: (validation AUPRC, test AUPRC, half width of the interval)
TRIED = {
    1: (0.861, 0.842, 0.034),
    3: (0.921, 0.914, 0.026),
    5: (0.958, 0.949, 0.019),
    6: (0.968, 0.957, 0.016),
    7: (0.972, 0.963, 0.014),
    8: (0.969, 0.958, 0.016),
    9: (0.970, 0.960, 0.015),
}
# index: (mean AUPRC of the probe, its standard error, that of the joint network's head, its standard error)
LOOKED = {
    1: (0.842, 0.011, 0.858, 0.018),
    2: (0.871, 0.010, 0.893, 0.014),
    3: (0.894, 0.009, 0.917, 0.011),
    4: (0.906, 0.009, 0.936, 0.008),
    5: (0.919, 0.008, 0.951, 0.006),
    6: (0.925, 0.008, 0.961, 0.004),
    7: (0.922, 0.008, 0.967, 0.002),
    8: (0.909, 0.009, 0.968, 0.0),
    9: (0.891, 0.010, 0.966, 0.002),
}
# index: (percentiles 5, 25, 50, 75 and 95 of the canonical correlations, overlap with random ones)
COMPARED = {
    1: ([0.964, 0.988, 0.996, 0.999, 1.0], 0.0),
    2: ([0.931, 0.972, 0.989, 0.996, 0.999], 0.0),
    3: ([0.873, 0.941, 0.972, 0.989, 0.998], 0.0),
    4: ([0.741, 0.868, 0.929, 0.966, 0.991], 0.001),
    5: ([0.562, 0.748, 0.851, 0.918, 0.977], 0.012),
    6: ([0.351, 0.564, 0.712, 0.826, 0.939], 0.061),
    7: ([0.212, 0.421, 0.586, 0.731, 0.892], 0.143),
    8: ([0.114, 0.284, 0.447, 0.609, 0.812], 0.271),
    9: ([0.078, 0.219, 0.371, 0.529, 0.744], 0.352),
}
CHANCE = [0.031, 0.143, 0.262, 0.378, 0.512]


def estimate(value: float, half_width: float) -> dict[str, float]:
    return {
        "value": value,
        "ci_low": round(value - half_width, 4),
        "ci_high": round(min(1.0, value + half_width), 4),
    }


def metrics(auprc: float, half_width: float) -> dict[str, dict[str, float]]:
    return {
        "auprc": estimate(auprc, half_width),
        "auroc": estimate(auprc - 0.021, half_width + 0.004),
        "accuracy": estimate(auprc - 0.062, half_width + 0.012),
    }


def curve(best: float, epochs: int) -> list[dict[str, Any]]:
    rows = []
    for epoch in range(1, epochs + 1):
        left = math.exp(-epoch / 3)
        overfit = 0.004 * max(0, epoch - 0.8 * epochs)
        rows.append(
            {
                "epoch": epoch,
                "phase": "all",
                "lr": 1e-4 if epoch < 9 else 5e-5,
                "train_loss": 0.05 + 0.6 * left,
                "val_loss": 0.16 + 0.45 * left + 4 * overfit,
                "val_auprc": best - 0.18 * left * (1.1 if epoch % 2 else 0.9) - overfit,
                "seconds": 4.2,
            }
        )
    return rows


def candidate(index: int) -> dict[str, Any]:
    val, test, half_width = TRIED[index]
    name, *_, params, macs = POINTS[index - 1]
    epochs = 9 + index % 4
    rows = curve(val, epochs)
    return {
        "cut": name,
        "index": index,
        "params": params,
        "macs": macs,
        "val": metrics(val, half_width),
        "test": metrics(test, half_width),
        "trials": [f"3fa9c1d{index}"],
        "epochs": epochs,
        "best_epoch": max(range(epochs), key=lambda i: rows[i]["val_auprc"]) + 1,
        "seconds": epochs * 4.2,
        "curve": rows,
    }


def seen(look: str) -> list[dict[str, Any]]:
    """The curve of the probe, or of the joint network."""
    at = {"probe": 0, "joint": 2}[look]
    return [
        {"cut": POINTS[index - 1][0], "mean": figures[at], "se": figures[at + 1]} for index, figures in LOOKED.items()
    ]


def compared() -> dict[str, Any]:
    """The features before and after the whole network's fine-tune."""
    points = [
        {"cut": POINTS[index - 1][0], "percentiles": percentiles, "overlap": overlap}
        for index, (percentiles, overlap) in COMPARED.items()
    ]
    return {"points": points, "random": CHANCE, "threshold": 0.1}


def over_seeds() -> dict[str, Any]:
    """The finished study with three seeds a point."""
    study = finished()
    for figures in (*study["candidates"], study["chosen"], study["full"]):
        figures["spread"] = {
            "seeds": [0, 1, 2],
            "val": {"auprc": {"mean": figures["val"]["auprc"]["value"] - 0.004, "sd": 0.0071}},
            "test": {"auprc": {"mean": figures["test"]["auprc"]["value"] - 0.006, "sd": 0.0102}},
        }
    return study


# false positive rate, sensitivity and threshold; recall, precision and threshold
ROC = [(0.0, 0.0, None), (0.0, 0.61, 0.93), (0.04, 0.87, 0.5), (0.3, 0.96, 0.22), (1.0, 1.0, 0.01)]
PRECISION_RECALL = [(0.0, 1.0, None), (0.61, 1.0, 0.93), (0.87, 0.98, 0.5), (1.0, 0.73, 0.01)]


def curves_of(name: str, auprc: float) -> dict[str, Any]:
    """One class in one network."""
    first, second = list(zip(*ROC, strict=True)), list(zip(*PRECISION_RECALL, strict=True))
    return {
        "class": name,
        "positives": 854,
        "negatives": 316,
        "auroc": estimate(auprc - 0.021, 0.018),
        "auprc": estimate(auprc, 0.014),
        "roc": dict(zip(("false_positive_rate", "sensitivity", "threshold"), map(list, first), strict=True)),
        "precision_recall": dict(zip(("recall", "precision", "threshold"), map(list, second), strict=True)),
        "at_threshold": {
            "sensitivity": estimate(0.87, 0.02),
            "specificity": estimate(0.96, 0.02),
            "precision": estimate(0.983, 0.01),
        },
    }


def calibrated(shift: float) -> dict[str, Any]:
    """Three bins of 390 images, and the histogram of their confidence."""
    bins = [
        {"n": 390, "low": c - 0.05, "high": c + 0.05, "confidence": c, "accuracy": estimate(c + shift, 0.04)}
        for c in (0.62, 0.81, 0.94)
    ]
    histogram = {"edges": [0.5, 0.6, 0.7, 0.8, 0.9, 1.0], "counts": [120, 140, 160, 290, 460]}
    return {"bins": bins, "histogram": histogram}


def judged() -> dict[str, Any]:
    """How the two networks judge the test images."""
    return {
        "curves": {
            "split": "test",
            "threshold": 0.5,
            "left_out": 0,
            "chosen": [curves_of("pneumonia", 0.963)],
            "full": [curves_of("pneumonia", 0.960)],
        },
        "confusion": {
            "split": "test",
            "threshold": 0.5,
            "chosen": [[303, 13], [111, 743]],
            "full": [[300, 16], [108, 746]],
        },
        "calibration": {"split": "test", "grouped": True, "chosen": calibrated(-0.03), "full": calibrated(-0.05)},
    }


def looked() -> dict[str, Any]:
    """Two cases of Grad-CAM, the second one wrong in the truncated network."""
    sizes = {"chosen": [14, 14], "full": [4, 4]}
    cases = []
    for number, (name, right) in enumerate((("pneumonia/12.png", True), ("normal/7.png", False))):
        said = {"class": "pneumonia", "probability": 0.974, "right": right}
        full = {"class": name.split("/")[0], "probability": 0.81, "right": True}
        cases.append(
            {
                "id": name,
                "why": "both right, one of 990" if right else "truncated wrong, whole right, one of 41",
                "truth": name.split("/")[0],
                "says": {"chosen": said, "full": full},
                "map_of": {"chosen": "pneumonia", "full": full["class"]},
                "map_size": sizes,
                "files": {key: f"cams/{number}-{key}.png" for key in ("image", "full", "chosen")},
            }
        )
    return {"split": "test", "cases": cases}


def draw_looks(folder: Path) -> None:
    """The pictures of the two cases."""
    (folder / "cams").mkdir()
    pixels = np.full((1, 8, 8), 60, np.uint8)
    for number in range(2):
        (folder / f"cams/{number}-image.png").write_bytes(picture(pixels))
        for key in ("full", "chosen"):
            (folder / f"cams/{number}-{key}.png").write_bytes(heat(pixels, np.eye(4, dtype=np.float32)))


def finished() -> dict[str, Any]:
    """The search chose layer3.1; the cut is faster, and the test images don't tell the two apart."""
    candidates = [candidate(index) for index in TRIED]
    sides = {c["index"]: {k: c[k] for k in ("cut", "index", "params", "macs", "val", "test")} for c in candidates}
    names = ("name", "stage", "is_stage_end", "channels", "reduction", "params", "macs")
    return {
        "schema": 1,
        "status": "finished",
        "task": {
            "name": "chest X-rays",
            "kind": "binary",
            "class_names": ["normal", "pneumonia"],
            "counts": {
                "train": {"normal": 1012, "pneumonia": 2735},
                "val": {"normal": 253, "pneumonia": 684},
                "test": {"normal": 316, "pneumonia": 854},
            },
            "notes": [
                "split 64/16/20 at random, seed 0: no patient ids were given",
                "2 unreadable images skipped",
            ],
            "groups": {"train": 1204, "val": 301, "test": 377},
            "groups_shared": 0,
            "duplicates": {
                "pairs": 3,
                "identical": 1,
                "images": 2,
                "first": [
                    {
                        "a": "normal/3.png",
                        "b": "normal/903.png",
                        "a_split": "train",
                        "b_split": "test",
                        "kind": "identical",
                        "distance": 0,
                    },
                ],
            },
            "fingerprint": "9b74c9897bac770ffc029102a200c5de" * 2,
            "image_sizes": "127 x 384 to 2713 x 2517",
        },
        "model": {
            "name": "resnet18",
            "image_size": 112,
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "interpolation": "bilinear",
            "weights": {
                "source": "resnet18_stem_to_layer3.pth",
                "loaded": 90,
                "missing": ["layer4.0.conv1.weight", "layer4.0.bn1.weight", "layer4.1.conv2.weight"],
                "ignored": [],
                "summary": "90 tensors loaded from resnet18_stem_to_layer3.pth; 3 missing (start at random).",
            },
        },
        "metric": "auprc",
        "points": [{"index": i, **dict(zip(names, p, strict=True))} for i, p in enumerate(POINTS, start=1)],
        "chosen": sides[7],
        "full": sides[9],
        "comparison": {
            "metric": "auprc",
            "split": "test",
            "difference": {"value": 0.003, "ci_low": -0.008, "ci_high": 0.0141},
        },
        "candidates": candidates,
        "search": {
            "strategy": "two-stage",
            "reason": "layer3.1 has the best validation AUPRC of the 7 candidates tried.",
            "fine_tunes": 9,
            "epochs": 75,
            "train_macs": 4.31e14,
            "seconds": 1432.0,
            "steps": [
                {"phase": "coarse", "points": ["stem", "layer1.1", "layer2.1", "layer3.1", "layer4.1"]},
                {"phase": "fine", "points": ["layer1.0", "layer2.0", "layer3.0", "layer4.0"], "epochs": 2},
                {"phase": "fine", "points": ["layer3.0", "layer4.0"]},
            ],
            "stopped": {
                "points": [
                    {"cut": "layer1.0", "epochs": 2, "val": 0.7312},
                    {"cut": "layer2.0", "epochs": 2, "val": 0.7846},
                ],
                "train_macs_saved_at_most": 1.2475e14,
            },
            "max_latency_ms": {
                "budget_ms": 5.5,
                "threads": 2,
                "highest": "layer4.0",
                "measured": [
                    {"cut": "layer2.1", "p50_ms": 3.12},
                    {"cut": "layer4.0", "p50_ms": 5.07},
                    {"cut": "layer4.1", "p50_ms": 5.81},
                ],
            },
        },
        **judged(),
        "cams": looked(),
        "probe": seen("probe"),
        "joint": seen("joint"),
        "svcca": compared(),
        "recipe": {
            "name": "full",
            "source": "Peng et al., BMVC 2023, arXiv 2106.05152",
            "epochs_cap": 12,
            "batch_size": 64,
            "augment": "ttl",
        },
        "export": {
            "path": "model.onnx",
            "precision": "fp32",
            "opset": 20,
            "parity_max_abs": 4.77e-07,
            "parity_metric_delta": 0.0,
            "size_bytes": 11_142_310,
            "full_path": "full.onnx",
            "full_size_bytes": 44_731_887,
        },
        "latency": [
            timing("model.onnx", 4.31, 0.75, (0.72, 0.78)),
            timing("full.onnx", 5.75, 1.0, (1.0, 1.0)),
        ],
        "run": {
            "command": "ttl run data/xray --model resnet18 --weights weights/resnet18_stem_to_layer3.pth"
            " --image-size 112 --epochs 12 --out xray-run",
            "seed": 0,
            "versions": {"ttl": "0.1.0", "python": "3.12.4", "torch": "2.11.0", "onnxruntime": "1.22.0"},
            "hardware": {"cpu": "Intel Xeon 8488C", "cores": 2, "memory_gb": 16.0, "gpu": None},
            "started": "2026-05-04T09:12:31+00:00",
            "seconds": 1519.4,
        },
    }


def timing(model: str, p50_ms: float, ratio: float, interval: tuple[float, float]) -> dict[str, Any]:
    return {
        "model": model,
        "runtime": "onnxruntime 1.22.0",
        "device": "cpu",
        "batch": 1,
        "threads": 2,
        "p50_ms": p50_ms,
        "p90_ms": round(1.08 * p50_ms, 2),
        "p95_ms": round(1.12 * p50_ms, 2),
        "p99_ms": None,
        "images_per_second": 980 / p50_ms,
        "cold_start_ms": 12 * p50_ms,
        "peak_memory_bytes": round(8e6 * p50_ms),
        "provider": "CPUExecutionProvider",
        "runs": 201,
        "processes": 3,
        "cpu": "Intel Xeon 8488C",
        "load_average": [0.08, 0.94],
        "ratio_to_full": ratio,
        "ratio_ci": list(interval),
    }


def whole_network() -> dict[str, Any]:
    """The same study, in which no smaller candidate was as good."""
    report = copy.deepcopy(finished())
    report["chosen"] = copy.deepcopy(report["full"])
    for whole in (report["chosen"], report["full"], report["candidates"][-1]):
        whole["val"]["auprc"] = estimate(0.981, 0.012)
    report["comparison"]["difference"] = {"value": 0.0, "ci_low": 0.0, "ci_high": 0.0}
    for key in ("curves", "confusion", "calibration"):
        del report[key]["chosen"]
    report["export"]["size_bytes"] = report["export"]["full_size_bytes"]
    report["latency"] = report["latency"][1:]
    report["search"]["reason"] = "The whole network has the best validation AUPRC of the 7 candidates tried."
    return report


def unfinished() -> dict[str, Any]:
    """The same study, stopped after three candidates."""
    report = finished()
    for key in ("chosen", "full", "comparison", "export", "latency", "curves", "confusion", "calibration", "cams"):
        del report[key]
    report["status"] = "unfinished"
    report["candidates"] = report["candidates"][:3]
    report["search"] = {"strategy": "two-stage", "fine_tunes": 3}
    return report
