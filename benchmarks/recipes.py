"""Every recipe on one data set and one whole network, several seeds: what it reaches and what an epoch costs.

    python benchmarks/recipes.py xray/ --model tv:mobilenet_v2 --weights mobilenet_v2.pth --image-size 112

Each recipe gets a run folder under --out, so the same command again trains only what is missing. Seconds an epoch
are measured apart, interleaved: an epoch of each recipe's last phase in turn, `--rounds` times. Ends with Kanavati &
Tsuneki's claim (MIDL 2021) that FC-then-BN is about as good as FC-then-full and both are better than FC, found or not.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from shared import context_in, measured_on, study_config, study_parser

from ttl.config import RunConfig
from ttl.data.kind import Rows
from ttl.finetune import RECIPES, fit
from ttl.run import finetune
from ttl.run.context import RunContext
from ttl.run.flow import Tuned
from ttl.run.setting import RunSetting
from ttl.run.trial_run import settings_of
from ttl.stats import paired_difference

RESULTS = Path(__file__).parent / "results" / "recipes.json"
SHOWN = ("auroc", "auprc")
CLAIM = (("fc-then-full", "fc"), ("fc-then-bn", "fc"), ("fc-then-bn", "fc-then-full"))


def main() -> None:
    """Train what is missing, time an epoch of each, print the table and write it as JSON."""
    told = arguments()
    names = told.only.split(",") if told.only else list(RECIPES)
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        config = configured(told, name)
        tuned = finetune(config, "full", test=True)
        rows[name] = summarised(name, tuned)
        print(line(name, rows[name]), flush=True)
    prepared = {name: context_in(configured(told, name), told.out / name) for name in names}
    for name, seconds in epoch_seconds(prepared, told.rounds).items():
        rows[name]["seconds_per_epoch"] = seconds
    first = prepared[names[0]].setting
    claim = claims(told, first, [pair for pair in CLAIM if set(pair) <= set(names)])
    content = {**measured_on(), "definition": first.definition(), "rows": rows, "claim": claim}
    told.results.parent.mkdir(parents=True, exist_ok=True)
    told.results.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"\n{'recipe':<22} {'test AUROC':<16} {'test AUPRC':<16} epochs  s/epoch  trainable (last phase)")
    for name, row in rows.items():
        print(line(name, row))
    for pair in claim:
        print(f"{pair['a']} less {pair['b']}, test {pair['metric']}: {pair['words']}")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = study_parser(__doc__, RESULTS)
    parser.add_argument("--freeze-below", required=True, help="for lwft and freeze-below")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="at most, in all phases; the recipes' own stop rules by default")
    parser.add_argument("--rounds", type=int, default=3, help="epochs timed of each recipe")
    parser.add_argument("--only", help="recipes, with commas between")
    parser.add_argument("--out", type=Path, default=Path("recipes-run"))
    return parser.parse_args()


def configured(told: argparse.Namespace, name: str) -> RunConfig:
    """The options of the fine-tunes of one recipe."""
    return study_config(
        told,
        out=told.out / name,
        recipe=name,
        freeze_below=told.freeze_below if RECIPES[name].needs_freeze_point else None,
        seeds=told.seeds,
        epochs=told.epochs,
    )


def summarised(name: str, tuned: Tuned) -> dict[str, Any]:
    """Test metrics over the seeds, epochs, and the trainable parameters of each phase."""
    records = tuned.runs.records
    row: dict[str, Any] = {"source": RECIPES[name].source, "trainable": dict(records[0].trainable)}
    row["epochs"] = [record.epochs for record in records]
    for metric in SHOWN:
        values = [tuned.tested[record.id].figures[metric].value for record in records]
        sd = stdev(values) if len(values) > 1 else None
        row[metric] = {"mean": mean(values), "sd": sd, "seeds": values}
    return row


def line(name: str, row: dict[str, Any]) -> str:
    """One recipe of the table."""
    cells = [
        f"{row[metric]['mean']:.4f}" + (f" ± {row[metric]['sd']:.4f}" if row[metric]["sd"] is not None else "")
        for metric in SHOWN
    ]
    seconds = f"{row['seconds_per_epoch']:7.1f}" if "seconds_per_epoch" in row else "      -"
    trainable = list(row["trainable"].values())[-1]
    return f"{name:<22} {cells[0]:<16} {cells[1]:<16} {mean(row['epochs']):6.1f}  {seconds}  {trainable:>9,}"


def epoch_seconds(prepared: dict[str, RunContext], rounds: int) -> dict[str, float]:
    """Recipe -> median wall seconds of an epoch of its last phase, validation included; taken in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in prepared}
    for _ in range(rounds):
        for name, ready in prepared.items():
            setting, whole = ready.setting, ready.setting.whole
            last = replace(setting.recipe, phases=setting.recipe.phases[-1:])
            model = whole.build(setting.network, setting.head, 0)
            settings = replace(settings_of(setting, 0, whole.top), epochs=1)
            result = fit(model, ready.images.split("train"), ready.images.split("val"), last, settings)
            seconds[name].append(result.curve[0].seconds)
    return {name: median(values) for name, values in seconds.items()}


def claims(told: argparse.Namespace, setting: RunSetting, pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """The paired differences between recipes, seed by seed, each on the same test images resampled together."""
    test = setting.task.test
    found = []
    for a, b in pairs:
        first, second = (test_rows(finetune(configured(told, name), "full", test=True)) for name in (a, b))
        for metric in SHOWN:
            differences = [
                paired_difference(metric, setting.kind, test.labels, x, y).to_json()
                for x, y in zip(first, second, strict=True)
            ]
            found.append({"a": a, "b": b, "metric": metric, "seeds": differences, "words": in_words(differences)})
    return found


def test_rows(tuned: Tuned) -> list[Rows]:
    """What each seed's model gives for the test images."""
    return [tuned.tested[record.id].rows for record in tuned.runs.records]


def in_words(differences: list[dict[str, Any]]) -> str:
    """The mean difference, and in how many seeds the 95 % interval leaves out 0."""
    above = sum(row["ci_low"] > 0 for row in differences)
    below = sum(row["ci_high"] < 0 for row in differences)
    average = mean(row["value"] for row in differences)
    return f"{average:+.4f} on average; of {len(differences)} seeds {above} show better, {below} show worse"


if __name__ == "__main__":
    main()
