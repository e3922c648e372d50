"""What each search strategy loses against the exhaustive truth, and what it costs.

    python benchmarks/search_regret.py xray/ --config search/xray-mobilenet_v2.toml --weights mobilenet_v2.pth

The truth is every point, fine-tuned with each seed; its run folder under --out is gone on with where it was stopped.
Each strategy is then followed on each seed's trials: what it asks for is looked up, and what the truth doesn't hold
(the joint network, and the short fine-tune that starts with it) is done.

- regret: the best mean test AUPRC over seeds of any point, less that of the point picked. The best of many noisy means
  is itself too high: the noise floor, the standard deviation between seeds at one point (the median over the points),
  says by how much.
- delivered: the test AUPRC of the model that the strategy ends with; another one than the truth's only for `joint`.
- cost: training MACs that the strategy asked for, in those of one fine-tune of the highest point; a forward pass
  counts as a third of a training step.
- search: the same, less that fine-tune of the highest point: every run makes it to have something to compare with.

Results of several data sets are kept side by side in one JSON file, by the name of the study.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np
from transferability import SCORES

from ttl.config import RunConfig
from ttl.cut.points import TruncationPoint, UNetPoint
from ttl.options.read_options import read_options
from ttl.run.events import unwatched
from ttl.run.joint import curve_of_heads, joint_start
from ttl.run.known import Paused
from ttl.run.prepare import prepare
from ttl.run.prepared import Prepared
from ttl.run.probing import pooled_features, probe_curve
from ttl.run.provenance import describe_machine
from ttl.run.similar import common_size, similarities
from ttl.run.strategies import Sources, strategy_of
from ttl.run.trial import finished_trial, identity, run_trial, score
from ttl.run.verdict import MACS_PER_TRAINING_STEP, compared
from ttl.search.select import choose_best, choose_smallest
from ttl.search.strategies.probe import Curve, one_standard_error
from ttl.search.strategies.svcca import Similarity
from ttl.search.strategy import Batch, Chooser, Scores, Strategy, drive
from ttl.study.engines.engine import Trial
from ttl.study.folder import CACHE, Study

SCREENED, SCREEN_EPOCHS = 3, 2
RESULTS = Path(__file__).parent / "results" / "search_regret.json"
FIRST_RUNG = 2
STRATEGIES = ("exhaustive", "two-stage", f"two-stage --halving {FIRST_RUNG}", "svcca", "probe", "joint")
"""As on the command line."""
Record = Mapping[str, Any]


def main() -> None:
    """Make the truth, follow the strategies on it, print the table and write it."""
    told = arguments()
    name = told.config.stem
    flags = {"data": told.data, "weights": told.weights, "threads": told.threads, "out": told.out / name}
    config = read_options(RunConfig, told.config, flags)
    study = Study(told.out / name)
    with study.held():
        prepared = prepare(config, unwatched, cache_dir=study.folder / CACHE)
        truth = {seed: truth_of(prepared, study, seed) for seed in prepared.seeds}
        test = {
            point.name: [test_score(records[point.name]) for records in truth.values()] for point in prepared.candidates
        }
        rows = [
            followed(Follower(prepared, study, truth[seed], seed), name, rule, test)
            for name in STRATEGIES
            for rule in ("smallest", "best")
            for seed in prepared.seeds
        ]
        curve = probe_curve(prepared, study)
        for seed in prepared.seeds:
            rows += [
                followed(Follower(prepared, study, truth[seed], seed), name, "best", test, search)
                for name, search in also_tried(prepared, curve).items()
            ]
    floor = median(stdev(values) for values in test.values()) if config.seeds > 1 else None
    content = {
        **describe_machine(),
        "definition": prepared.definition(),
        "metric": prepared.metric,
        "images": {split: len(samples) for split, samples in prepared.task.splits.items()},
        "points": [
            {
                "cut": point.name,
                "params": point.params,
                "macs": point.macs,
                "val": [score(records[point.name]) for records in truth.values()],
                "test": test[point.name],
            }
            for point in prepared.candidates
        ],
        "noise_floor": floor,
        "rows": rows,
    }
    known = json.loads(told.results.read_text()) if told.results.is_file() else {}
    told.results.parent.mkdir(parents=True, exist_ok=True)
    told.results.write_text(json.dumps(known | {name: content}, indent=1) + "\n", encoding="utf-8")
    show(name, rows, floor)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--config", type=Path, required=True, help="a study; its strategy doesn't matter here")
    parser.add_argument("--weights")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=Path("regret-runs"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def truth_of(prepared: Prepared, study: Study, seed: int) -> Mapping[str, Record]:
    """Point name -> the record of its fine-tune with that seed."""
    return {point.name: done(prepared, study, Trial(point.name, seed)) for point in prepared.candidates}


def done(prepared: Prepared, study: Study, trial: Trial) -> Record:
    """The record of a trial, which is done if it isn't on disk."""
    return finished_trial(prepared, study, trial, unwatched) or run_trial(prepared, study, trial, unwatched)


def test_score(record: Record) -> float:
    """The test score of one fine-tune."""
    return float(record["test"][record["score"]]["value"])


@dataclass
class Follower:
    """Gives one search what it asks for, of one seed's trials, and counts what that costs."""

    prepared: Prepared
    study: Study
    truth: Mapping[str, Record]
    seed: int
    trained: dict[str, float] = field(default_factory=dict)
    """Point name -> MACs per training image of what was asked for there; other keys for what is no point."""
    delivered: dict[str, float] = field(default_factory=dict)
    """Point name -> test score of its own fine-tune."""

    def search(self, told: str, choose: Chooser) -> Strategy:
        """The strategy as it is told on the command line."""
        name, _, first = told.partition(" --halving ")
        asked = {"strategy": name, "halving": int(first) if first else None}
        config = self.prepared.config.model_copy(update=asked)
        sources = Sources(self.probe, self.joint, self.similarities, joint_start(self.prepared))
        return strategy_of(config, self.prepared.candidates, choose, sources, margin=self.prepared.margin)

    def evaluate(self, batch: Batch) -> Scores:
        """The scores of a batch."""
        return {point.name: self._one(point, batch) for point in batch.points}

    def _one(self, point: TruncationPoint, batch: Batch) -> float:
        if batch.start == "joint":
            joint = identity(self.prepared, Trial(None, self.seed))
            record = done(self.prepared, self.study, Trial(point.name, self.seed, start=joint))
        else:
            record = self.truth[point.name]
        epochs = min(batch.epochs or record["epochs"], record["epochs"])
        self.trained[point.name] = max(self.trained.get(point.name, 0.0), training_macs(record, epochs))
        self.delivered[point.name] = test_score(record)
        return Paused((record,), epochs).score if batch.epochs else score(record)

    def probe(self) -> Curve:
        """The probe's curve: one forward pass."""
        self.trained["probe"] = forward_macs(self.prepared.candidates[-1])
        return probe_curve(self.prepared, self.study)

    def joint(self) -> Curve:
        """What the joint network's heads say."""
        record = done(self.prepared, self.study, Trial(None, self.seed))
        self.trained["joint network"] = training_macs(record, record["epochs"])
        return curve_of_heads(self.prepared, [record])

    def similarities(self) -> Mapping[str, Similarity]:
        """SVCCA at every point: two forward passes of some of the training images."""
        share = common_size(self.prepared).images / len(self.prepared.task.train)
        self.trained["svcca"] = 2.0 * share * forward_macs(self.prepared.candidates[-1])
        return similarities(self.prepared, self.study, [self.truth[self.prepared.candidates[-1].name]])

    def not_inferior(self, point: TruncationPoint, best: TruncationPoint) -> str | None:
        """The evidence that `--select smallest` asks for."""
        found = compared(self.prepared, self.truth[point.name], self.truth[best.name], "val")
        return "shown" if found.shown else None


def followed(
    follower: Follower,
    told: str,
    rule: str,
    test: Mapping[str, list[float]],
    search: Callable[[Follower, Chooser], Strategy] | None = None,
) -> dict[str, Any]:
    """One strategy with one rule of choice on one seed's trials; `search` makes one that `ttl` doesn't have."""
    choose = choose_smallest(follower.not_inferior) if rule == "smallest" else choose_best
    found = drive(search(follower, choose) if search else follower.search(told, choose), follower.evaluate)
    means = {cut: mean(values) for cut, values in test.items()}
    picked, spent = found.choice.point, sum(follower.trained.values())
    top = follower.truth[follower.prepared.candidates[-1].name]
    whole = training_macs(top, top["epochs"])
    return {
        "strategy": told,
        "select": rule,
        "seed": follower.seed,
        "picked": picked.name,
        "params": picked.params,
        "macs": picked.macs,
        "regret": max(means.values()) - means[picked.name],
        "delivered": follower.delivered[picked.name],
        "cost": spent / whole,
        "search_cost": (spent - follower.trained.get(follower.prepared.candidates[-1].name, 0.0)) / whole,
        "cost_of_exhaustive": spent
        / sum(training_macs(record, record["epochs"]) for record in follower.truth.values()),
    }


def also_tried(prepared: Prepared, curve: Curve) -> dict[str, Callable[[Follower, Chooser], Strategy]]:
    """Searches that `ttl` doesn't have: by scores of the pretrained features, and a probe with short fine-tunes."""
    tried: dict[str, Callable[[Follower, Chooser], Strategy]] = {
        f"probe, then {SCREENED} short": partial(screened, prepared.candidates, curve)
    }
    if prepared.segments:
        return tried  # the scores are of images with one class each
    features = pooled_features(prepared)
    labels = np.asarray(prepared.task.train.labels)
    found = {
        name: {cut: compute(np.asarray(values, np.float64), labels) for cut, values in features.items()}
        for name, compute in SCORES.items()
    }
    return {name: partial(by_score, prepared.candidates, scores) for name, scores in found.items()} | tried


def by_score(
    points: Sequence[TruncationPoint], scores: Mapping[str, float], follower: Follower, choose: Chooser
) -> Strategy:
    """Fine-tune where the score is highest, and nowhere else."""
    follower.trained["score"] = float(points[-1].macs)
    picked = max(points, key=lambda point: scores[point.name])
    return choose([picked], (yield Batch("picked", (picked,))))


def screened(points: Sequence[TruncationPoint], curve: Curve, follower: Follower, choose: Chooser) -> Strategy:
    """Short fine-tunes at what the probe speaks for, at the top, and half-way; the best of them goes on."""
    follower.trained["probe"] = float(points[-1].macs)
    low, high = one_standard_error(points, curve).index - points[0].index, len(points) - 1
    some = [points[round(low + step * (high - low) / (SCREENED - 1))] for step in range(SCREENED)]
    tried = tuple(dict.fromkeys(some))
    short = yield Batch("short", tried, epochs=SCREEN_EPOCHS)
    picked = choose_best(tried, short).point
    return choose([picked], (yield Batch("picked", (picked,))))


def forward_macs(point: TruncationPoint) -> float:
    """MACs of one image up to a point: what a look at the features takes, which no decoder has a part in."""
    return float(point.encoder_macs if isinstance(point, UNetPoint) else point.macs)


def training_macs(record: Record, epochs: int) -> float:
    """MACs of so many epochs of a fine-tune's training steps, per training image."""
    return float(MACS_PER_TRAINING_STEP * record["macs"] * epochs)


def show(name: str, rows: Sequence[Mapping[str, Any]], floor: float | None) -> None:
    """The table, means over seeds."""
    print(f"{name}: noise floor {floor:.4f}" if floor is not None else f"{name}: one seed, no noise floor")
    print("strategy                select      regret  delivered   cost  search  of exhaustive  picked")
    for key in dict.fromkeys((row["strategy"], row["select"]) for row in rows):
        own = [row for row in rows if (row["strategy"], row["select"]) == key]
        regret, delivered, cost, search, share = (
            mean(row[figure] for row in own)
            for figure in ("regret", "delivered", "cost", "search_cost", "cost_of_exhaustive")
        )
        picked = ", ".join(row["picked"] for row in own)
        figures = f"{regret:7.4f} {delivered:10.4f} {cost:6.2f} {search:7.2f} {share:14.0%}"
        print(f"{key[0]:<23} {key[1]:<10} {figures}  {picked}")


if __name__ == "__main__":
    main()
