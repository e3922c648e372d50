"""What each search strategy loses against the exhaustive truth, and what it costs.

    python benchmarks/search_regret.py xray/ --model tv:mobilenet_v2 --weights mobilenet_v2.pth --image-size 112 \\
        --epochs 10 --seeds 2 --name xray-mobilenet_v2

The truth is every point, fine-tuned with each seed; its run folder under --out is gone on with where it was stopped.
Each strategy is then replayed on each seed's trials, with each rule of choice:

- regret: the best mean test AUPRC over seeds of any point, less that of the point picked. The best of many noisy means
  is itself too high: the noise floor, the standard deviation between seeds at one point, says by how much.
- cost: training MACs of the fine-tunes that the strategy asked for, in those of one fine-tune of the whole network; a
  probe's forward pass counts as a third of an epoch.

Results of several data sets are kept side by side in one JSON file, by --name.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from shared import study_config, study_parser

from ttl.pipeline import run
from ttl.pipeline.flow import strategy
from ttl.pipeline.prepare import SCORE, Prepared, prepare
from ttl.pipeline.probing import probe_curve
from ttl.pipeline.provenance import describe_machine
from ttl.pipeline.trial import identity, score
from ttl.pipeline.verdict import compared
from ttl.points import TruncationPoint
from ttl.search.probe import Curve
from ttl.search.select import choose_best, choose_smallest
from ttl.search.strategy import Chooser, drive
from ttl.search.study import Study

RESULTS = Path(__file__).parent / "results" / "search_regret.json"
STRATEGIES = ("exhaustive", "two-stage", "probe")
Records = Mapping[str, dict[str, Any]]


def main() -> None:
    """Make the truth, replay the strategies on it, print the table and write it."""
    told = arguments()
    config = study_config(
        told,
        epochs=told.epochs,
        train_fraction=told.train_fraction,
        within_weights=told.within_weights,
        dedupe=told.dedupe,
        seeds=told.seeds,
        strategy="exhaustive",
        out=told.out / told.name,
    )
    run(config, deliver=False)
    study = Study(told.out / told.name)
    prepared = prepare(config, lambda event: None, cache_dir=study.folder / "cache")
    truth = {seed: records_of(prepared, study, seed) for seed in prepared.seeds}
    names = [point.name for point in prepared.candidates]
    test = {name: [records[name]["test"][SCORE]["value"] for records in truth.values()] for name in names}
    floor = sqrt(mean(stdev(values) ** 2 for values in test.values())) if told.seeds > 1 else None
    curve = probe_curve(prepared, study)
    rows = [
        replayed(prepared, truth[seed], test, curve, name, rule, seed)
        for name in STRATEGIES
        for rule in ("best", "smallest")
        for seed in prepared.seeds
    ]
    content = {
        **describe_machine(),
        "definition": prepared.definition(),
        "points": [{"cut": name, "test": test[name], "params": truth[config.seed][name]["params"]} for name in names],
        "noise_floor": floor,
        "rows": rows,
    }
    known = json.loads(told.results.read_text()) if told.results.is_file() else {}
    told.results.parent.mkdir(parents=True, exist_ok=True)
    told.results.write_text(json.dumps(known | {told.name: content}, indent=1) + "\n", encoding="utf-8")
    show(told.name, rows, floor)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = study_parser(__doc__, RESULTS)
    parser.add_argument("--name", required=True)
    parser.add_argument("--within-weights", action="store_true")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--train-fraction", type=float, default=1.0)
    parser.add_argument("--dedupe")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("regret-runs"))
    return parser.parse_args()


def records_of(prepared: Prepared, study: Study, seed: int) -> Records:
    """Point name -> the record of its fine-tune with that seed."""
    records = {}
    for point in prepared.candidates:
        record = study.trial(identity(prepared, point, seed))
        if record is None:
            raise SystemExit(f"{point.name} has no fine-tune with seed {seed}: it failed, see report.json")
        records[point.name] = record
    return records


def replayed(
    prepared: Prepared,
    records: Records,
    test: Mapping[str, list[float]],
    curve: Curve,
    name: str,
    rule: str,
    seed: int,
) -> dict[str, Any]:
    """One strategy with one rule of choice on one seed's trials."""
    points = prepared.candidates
    choose = choose_best if rule == "best" else smallest(prepared, records)
    search = strategy(name, points, choose, lambda: curve)
    found = drive(search, lambda point: score(records[point.name], SCORE))
    whole = training_macs(records[points[-1].name])
    spent = sum(training_macs(records[cut]) for cut in found.scores)
    if name == "probe":
        spent += points[-1].macs
    means = {cut: mean(values) for cut, values in test.items()}
    picked = found.choice.point
    return {
        "strategy": name,
        "select": rule,
        "seed": seed,
        "picked": picked.name,
        "params": picked.params,
        "fine_tunes": len(found.scores),
        "regret": max(means.values()) - means[picked.name],
        "cost": spent / whole,
        "cost_of_exhaustive": spent / sum(training_macs(record) for record in records.values()),
    }


def smallest(prepared: Prepared, records: Records) -> Chooser:
    """The rule of `--select smallest` on these trials."""

    def evidence(point: TruncationPoint, best: TruncationPoint) -> str | None:
        found = compared(prepared, records[point.name], records[best.name], "val")
        return "shown" if found.shown else None

    return choose_smallest(evidence)


def training_macs(record: Mapping[str, Any]) -> float:
    """MACs of a fine-tune's training steps, per training image: three passes an epoch."""
    return float(3 * record["macs"] * record["epochs"])


def show(name: str, rows: list[dict[str, Any]], floor: float | None) -> None:
    """The table, means over seeds."""
    print(f"{name}: noise floor {floor:.4f}" if floor is not None else f"{name}: one seed, no noise floor")
    print("strategy    select    regret   cost   of exhaustive  picked")
    for key in dict.fromkeys((row["strategy"], row["select"]) for row in rows):
        own = [row for row in rows if (row["strategy"], row["select"]) == key]
        figures = {figure: mean(row[figure] for row in own) for figure in ("regret", "cost", "cost_of_exhaustive")}
        picked = ", ".join(row["picked"] for row in own)
        print(
            f"{key[0]:<11} {key[1]:<8} {figures['regret']:7.4f} {figures['cost']:6.2f} "
            f"{figures['cost_of_exhaustive']:14.0%}  {picked}"
        )


if __name__ == "__main__":
    main()
