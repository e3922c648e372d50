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
from shared import measured_on
from transferability import SCORES

from ttl.config import RunConfig
from ttl.cut.points import UNetPoint
from ttl.options.read_options import read_options
from ttl.run.context import RunContext, context_of
from ttl.run.events import unwatched
from ttl.run.findings import PartialRuns
from ttl.run.prepare import prepare
from ttl.run.produced import compared_features, probe
from ttl.run.report_writer import MACS_PER_TRAINING_STEP
from ttl.run.testing import predict_test
from ttl.run.trial_run import finished_trial, run_trial
from ttl.search.candidates import Joint
from ttl.search.evidence.curve import Curve, one_standard_error
from ttl.search.evidence.features_compared import common_size
from ttl.search.evidence.heads import heads_curve
from ttl.search.evidence.samples import feature_samples
from ttl.search.select import choose_best, choose_smallest
from ttl.search.strategies import halving, strategy
from ttl.search.strategy import Batch, Chooser, Scores, Strategy, drive
from ttl.study.candidate import Candidate
from ttl.study.folder import Study
from ttl.study.record import TrialRecord
from ttl.study.trial import Trial

SCREENED, SCREEN_EPOCHS = 3, 2
RESULTS = Path(__file__).parent / "results" / "search_regret.json"
FIRST_RUNG = 2
STRATEGIES = ("exhaustive", "two-stage", f"two-stage --halving {FIRST_RUNG}", "svcca", "probe", "joint")
"""As on the command line."""


def main() -> None:
    """Make the truth, follow the strategies on it, print the table and write it."""
    told = arguments()
    name = told.config.stem
    flags = {"data": told.data, "weights": told.weights, "threads": told.threads, "out": told.out / name}
    config = read_options(RunConfig, told.config, flags)
    study = Study(told.out / name)
    with study.held():
        setting = prepare(config, unwatched)
        context = context_of(setting, study)
        truth = {seed: truth_of(context, seed) for seed in setting.seeds}
        test = {
            candidate.name: [test_score(context, records[candidate]) for records in truth.values()]
            for candidate in setting.candidates
        }
        rows = [
            followed(Follower(context, truth[seed], seed), name, rule, test)
            for name in STRATEGIES
            for rule in ("smallest", "best")
            for seed in setting.seeds
        ]
        curve = probe(context)
        for seed in setting.seeds:
            rows += [
                followed(Follower(context, truth[seed], seed), name, "best", test, search)
                for name, search in also_tried(context, curve).items()
            ]
    floor = median(stdev(values) for values in test.values()) if config.seeds > 1 else None
    content = {
        **measured_on(),
        "definition": setting.definition(),
        "metric": setting.metric,
        "images": {split: len(samples) for split, samples in setting.task.splits.items()},
        "points": [
            {
                "cut": candidate.name,
                "params": candidate.costs.params,
                "macs": candidate.costs.macs,
                "val": [records[candidate].value for records in truth.values()],
                "test": test[candidate.name],
            }
            for candidate in setting.candidates
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


def truth_of(context: RunContext, seed: int) -> Mapping[Candidate, TrialRecord]:
    """Candidate -> the record of its fine-tune with that seed."""
    return {candidate: done(context, Trial(candidate, seed)) for candidate in context.setting.candidates}


def done(context: RunContext, trial: Trial) -> TrialRecord:
    """The record of a trial, which is done if it isn't on disk."""
    return finished_trial(context, trial, unwatched) or run_trial(context, trial, unwatched)


def test_score(context: RunContext, record: TrialRecord) -> float:
    """The test score of one fine-tune: here the truth of every point is asked for, which no search sees."""
    return predict_test(context, [record], "finetune --test", unwatched)[record.id].figures[record.score].value


@dataclass
class Follower:
    """Gives one search what it asks for, of one seed's trials, and counts what that costs."""

    context: RunContext
    truth: Mapping[Candidate, TrialRecord]
    seed: int
    trained: dict[str, float] = field(default_factory=dict)
    """Candidate's name -> MACs per training image of what was asked for there; other keys for other looks."""
    delivered: dict[str, float] = field(default_factory=dict)
    """Candidate's name -> test score of its own fine-tune."""

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Lowest first."""
        return self.context.setting.candidates

    def search(self, words: str, choose: Chooser) -> Strategy:
        """The strategy as the command line has it."""
        name, _, first = words.partition(" --halving ")
        evidence = {"probe": self.probe, "joint": self.joint, "svcca": self.overlap}
        asked = strategy(name, self.candidates, choose, evidence)
        if not first:
            return asked
        setting = self.context.setting
        cap, spared = setting.config.epochs, self.candidates[-1]
        return halving(asked, first=int(first), cap=cap, margin=setting.margin, spared=spared)

    def evaluate(self, batch: Batch) -> Scores:
        """The scores of a batch."""
        return {candidate: self._one(candidate, batch) for candidate in batch.candidates}

    def _one(self, candidate: Candidate, batch: Batch) -> float:
        record = self.truth[candidate]
        if batch.start is not None:
            record = done(self.context, Trial(candidate, self.seed, start=batch.start))
        epochs = min(batch.epochs or record.epochs, record.epochs)
        self.trained[candidate.name] = max(self.trained.get(candidate.name, 0.0), training_macs(record, epochs))
        self.delivered[candidate.name] = test_score(self.context, record)
        return PartialRuns((record,), epochs).score if batch.epochs else record.value

    def probe(self) -> Curve:
        """The probe's curve: one forward pass."""
        self.trained["probe"] = forward_macs(self.candidates[-1])
        return probe(self.context)

    def joint(self) -> Curve:
        """What the joint network's heads say."""
        setting = self.context.setting
        joint = Joint(setting.network.name, setting.points)
        record = done(self.context, Trial(joint, self.seed))
        self.trained["joint network"] = training_macs(record, record.epochs)
        return heads_curve(
            joint,
            [record.predictions["val"]],
            setting.kind,
            setting.task.val,
            seed=setting.config.seed,
            start=None if setting.network.draws_masks else joint,
        )

    def overlap(self) -> Curve:
        """SVCCA at every candidate: two forward passes of some of the training images."""
        images = len(self.context.setting.task.train)
        share = common_size(self.context.setting.points, images).images / images
        self.trained["svcca"] = 2.0 * share * forward_macs(self.candidates[-1])
        return compared_features(self.context, (self.truth[self.candidates[-1]],)).curve()

    def not_inferior(self, candidate: Candidate, best: Candidate) -> str | None:
        """The evidence that `--select smallest` asks for."""
        one, other = (self.truth[each].predictions["val"] for each in (candidate, best))
        test = self.context.setting.compared(one, other, "val")
        return "shown" if test.shown else None


def followed(
    follower: Follower,
    told: str,
    rule: str,
    test: Mapping[str, list[float]],
    search: Callable[[Follower, Chooser], Strategy] | None = None,
) -> dict[str, Any]:
    """One strategy with one rule of choice on one seed's trials; `search` makes one that `ttl` doesn't have."""
    choose = choose_smallest(follower.not_inferior) if rule == "smallest" else choose_best
    end = drive(search(follower, choose) if search else follower.search(told, choose), follower.evaluate)
    means = {cut: mean(values) for cut, values in test.items()}
    picked, spent, highest = end.choice.candidate, sum(follower.trained.values()), follower.candidates[-1]
    whole = training_macs(follower.truth[highest], follower.truth[highest].epochs)
    return {
        "strategy": told,
        "select": rule,
        "seed": follower.seed,
        "picked": picked.name,
        "params": picked.costs.params,
        "macs": picked.costs.macs,
        "regret": max(means.values()) - means[picked.name],
        "delivered": follower.delivered[picked.name],
        "cost": spent / whole,
        "search_cost": (spent - follower.trained.get(highest.name, 0.0)) / whole,
        "cost_of_exhaustive": spent / sum(training_macs(record, record.epochs) for record in follower.truth.values()),
    }


def also_tried(context: RunContext, curve: Curve) -> dict[str, Callable[[Follower, Chooser], Strategy]]:
    """Searches that `ttl` doesn't have: by scores of the pretrained features, and a probe with short fine-tunes."""
    setting = context.setting
    tried: dict[str, Callable[[Follower, Chooser], Strategy]] = {
        f"probe, then {SCREENED} short": partial(screened, setting.candidates, curve)
    }
    if setting.kind.per_pixel:
        return tried  # the scores are of images with one class each
    points = setting.points
    samples = feature_samples(setting.network.model, points, context.training_images())
    features = {point.name: samples.at(point.name) for point in points}
    labels = np.asarray(setting.task.train.labels)
    found = {
        name: {cut: compute(np.asarray(values, np.float64), labels) for cut, values in features.items()}
        for name, compute in SCORES.items()
    }
    return {name: partial(by_score, setting.candidates, scores) for name, scores in found.items()} | tried


def by_score(
    candidates: Sequence[Candidate], scores: Mapping[str, float], follower: Follower, choose: Chooser
) -> Strategy:
    """Fine-tune where the score is highest, and nowhere else."""
    follower.trained["score"] = float(candidates[-1].costs.macs)
    picked = max(candidates, key=lambda candidate: scores[candidate.name])
    return choose([picked], (yield Batch("picked", (picked,))))


def screened(candidates: Sequence[Candidate], curve: Curve, follower: Follower, choose: Chooser) -> Strategy:
    """Short fine-tunes at what the probe speaks for, at the top, and half-way; the best of them goes on."""
    follower.trained["probe"] = float(candidates[-1].costs.macs)
    low, high = candidates.index(one_standard_error(candidates, curve)), len(candidates) - 1
    some = [candidates[round(low + step * (high - low) / (SCREENED - 1))] for step in range(SCREENED)]
    tried = tuple(dict.fromkeys(some))
    short = yield Batch("short", tried, epochs=SCREEN_EPOCHS)
    picked = choose_best(tried, short).candidate
    return choose([picked], (yield Batch("picked", (picked,))))


def forward_macs(candidate: Candidate) -> float:
    """MACs of one image up to a point: what a look at the features takes, which no decoder has a part in."""
    point = candidate.top
    return float(point.encoder_macs if isinstance(point, UNetPoint) else point.macs)


def training_macs(record: TrialRecord, epochs: int) -> float:
    """MACs of so many epochs of a fine-tune's training steps, per training image."""
    return float(MACS_PER_TRAINING_STEP * record.macs * epochs)


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
