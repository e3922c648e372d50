"""What recalibration does to the probabilities of what a run delivers, and how well an asked sensitivity holds on test.

    python benchmarks/calibration.py "xray/ search/xray-mobilenet_v2.toml mobilenet_v2.pth" ... --epochs 5

Each study is data, a TOML file of options and a file of weights. Every study is run with each seed: other splits, heads
and orders; its run folder under --out is gone on with where it was stopped. Of the chosen and the whole network, on the
test images of each run:

- log loss and Brier score before and after the recalibration that was fitted on validation, and their paired change
  with its 95 % interval;
- the calibration error beside the range that a perfectly calibrated network has with as many images;
- the sensitivity where the threshold was set for `--sensitivity` with a confidence of 0.8, and for contrast where it is
  the plain quantile of the validation positives; and the specificity that each of the two costs.

Two of several seeds of one data set share images, so their runs are no independent ones: counts are of runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from shared import measured_on

from ttl.config import RunConfig
from ttl.data.task import Labels
from ttl.options.read_options import read_options
from ttl.report.schema import RunReport
from ttl.run import run
from ttl.run.prepare import task_of
from ttl.study.folder import Study
from ttl.study.tested import tested
from ttl.typed import to_json

RESULTS = Path(__file__).parent / "results" / "calibration.json"
NETWORKS = ("chosen", "full")


def main() -> None:
    """Run what is missing, print the table and write it as JSON."""
    told = arguments()
    rows = []
    for study in told.studies:
        for seed in range(told.seeds):
            for row in of_run(configured(told, study, seed)):
                rows.append({"study": Path(study.split()[1]).stem, "seed": seed, **row})
                print(line(rows[-1]), flush=True)
    content = {**measured_on(), "sensitivity": told.sensitivity, "rows": rows, "summary": summary(rows, told)}
    told.results.parent.mkdir(parents=True, exist_ok=True)
    told.results.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(content["summary"], indent=1))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", help='"DATA STUDY.toml WEIGHTS"')
    parser.add_argument("--sensitivity", type=float, default=0.9)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=Path("calibration-runs"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def configured(told: argparse.Namespace, study: str, seed: int) -> RunConfig:
    """The options of one run."""
    data, config, weights = study.split()
    name = Path(config).stem
    flags = {"data": data, "weights": weights, "seed": seed, "out": told.out / f"{name}-{seed}", "seeds": 1}
    more = {name: getattr(told, name) for name in ("sensitivity", "epochs", "image_size", "threads")}
    return read_options(RunConfig, Path(config), {**flags, **more})


def of_run(config: RunConfig) -> Iterator[dict[str, Any]]:
    """What one run says of each of its networks."""
    finished = run(config)
    report, task = finished.report, task_of(config)
    for network in NETWORKS if not report.keeps_whole else NETWORKS[1:]:
        labels = task.val.labels, task.test.labels
        yield {"network": network, **of_network(report, finished.folder, network, config.sensitivity or 0.5, *labels)}


def of_network(
    report: RunReport, folder: Path, network: str, asked: float, val: Labels, test: Labels
) -> dict[str, Any]:
    """The figures of one network."""
    result = report.chosen if network == "chosen" else report.full
    if result is None or report.probabilities is None or report.decisions is None:
        raise SystemExit(f"{folder} has no test figures")
    believed, decided = getattr(report.probabilities, network), getattr(report.decisions, network)
    study = Study(folder)
    record, of_test = study.trial(result.trial), tested(study, result.trial)
    if record is None or of_test is None:
        raise SystemExit(f"{folder} lacks the fine-tune {result.trial}")
    scores = record.predictions["val"][:, 1]
    quantile = float(np.quantile(scores[val == 1], 1 - asked, method="lower"))
    found = of_test.rows[:, 1] >= quantile
    return {
        "cut": result.cut,
        "images": len(test),
        "method": believed.recalibration.method,
        "scale": list(believed.recalibration.scale),
        **{
            name: to_json(getattr(believed, name))
            for name in ("log_loss", "log_loss_before", "log_loss_change", "brier", "brier_before", "brier_change")
        },
        "error": believed.error,
        "expected_error": to_json(believed.expected_error),
        "sensitivity": decided.rates["sensitivity"].value,
        "specificity": decided.rates["specificity"].value,
        "quantile_sensitivity": float(found[test == 1].mean()),
        "quantile_specificity": float((~found[test == 0]).mean()),
        "undertrained": None if result.undertrained is None else result.undertrained.words(),
    }


def line(row: dict[str, Any]) -> str:
    """One network of one run."""
    losses = " ".join(
        f"{row[f'{name}_before']['value']:.4f} -> {row[name]['value']:.4f}" for name in ("log_loss", "brier")
    )
    return (
        f"{row['study']:<28} seed {row['seed']} {row['network']:<6} {row['cut']:<14} {row['method']:<12} {losses}  "
        f"error {row['error']:.3f} (calibrated {row['expected_error']['ci_low']:.3f} to "
        f"{row['expected_error']['ci_high']:.3f})  sensitivity {row['sensitivity']:.3f} (quantile "
        f"{row['quantile_sensitivity']:.3f}), specificity {row['specificity']:.3f} ({row['quantile_specificity']:.3f})"
    )


def summary(rows: list[dict[str, Any]], told: argparse.Namespace) -> dict[str, Any]:
    """Over all rows, and over those that were recalibrated."""
    used = [row for row in rows if row["method"] != "none"]

    def changes(name: str) -> dict[str, Any]:
        values = [row[f"{name}_change"]["value"] for row in used]
        better = sum(row[f"{name}_change"]["ci_high"] < 0 for row in used)
        worse = sum(row[f"{name}_change"]["ci_low"] > 0 for row in used)
        return {
            "mean": mean(values) if values else None,
            "median": median(values) if values else None,
            "shown_better": better,
            "shown_worse": worse,
        }

    within = sum(row["error"] <= row["expected_error"]["ci_high"] for row in rows)
    return {
        "networks": len(rows),
        "recalibrated": len(used),
        "log_loss": changes("log_loss"),
        "brier": changes("brier"),
        "errors_within_the_range_of_calibrated": within,
        "asked": told.sensitivity,
        "held": sum(row["sensitivity"] >= told.sensitivity for row in rows),
        "held_by_the_quantile": sum(row["quantile_sensitivity"] >= told.sensitivity for row in rows),
        "sensitivity": mean(row["sensitivity"] for row in rows),
        "specificity": mean(row["specificity"] for row in rows),
        "quantile_sensitivity": mean(row["quantile_sensitivity"] for row in rows),
        "quantile_specificity": mean(row["quantile_specificity"] for row in rows),
    }


if __name__ == "__main__":
    main()
