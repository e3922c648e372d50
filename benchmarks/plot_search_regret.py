"""The cost-regret plot of the docs, from what search_regret.py measured.

    python benchmarks/plot_search_regret.py

Each mark is a strategy with a rule of choice, mean over the seeds; further left is cheaper, further down is better. The
band is what chance between seeds makes: twice the noise floor over the square root of the seeds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

RESULTS = Path(__file__).parent / "results" / "search_regret.json"
PLOT = Path(__file__).parents[1] / "docs" / "search_regret.svg"
COLOURS = {"exhaustive": "0.35", "two-stage": "C0", "probe": "C1", "svcca": "C2", "joint": "C3"}
OTHERS = "0.7"
"""What was tried and isn't in ttl."""
MARKS = {"smallest": "o", "best": "^"}


def main() -> None:
    """Draw what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--plot", type=Path, default=PLOT)
    told = parser.parse_args()
    measured = json.loads(told.results.read_text(encoding="utf-8"))
    plt.rcParams |= {"svg.fonttype": "none", "font.size": 9, "svg.hashsalt": "ttl"}
    figure, panels = plt.subplots(1, len(measured), figsize=(3.4 * len(measured), 3.2), squeeze=False)
    for panel, (name, content) in zip(panels[0], measured.items(), strict=True):
        draw(panel, name, content)
    panels[0][0].set_ylabel("regret in test AUPRC")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.14, 1, 1))
    figure.savefig(told.plot, metadata={"Date": None})


def draw(panel: Axes, name: str, content: Mapping[str, Any]) -> None:
    """One data set."""
    rows: Sequence[Mapping[str, Any]] = content["rows"]
    if content["noise_floor"] is not None:
        seeds = len({row["seed"] for row in rows})
        panel.axhspan(0, 2 * content["noise_floor"] / sqrt(seeds), color="0.92", label="chance between seeds")
    for told, rule in dict.fromkeys((row["strategy"], row["select"]) for row in rows):
        own = [row for row in rows if (row["strategy"], row["select"]) == (told, rule)]
        base, _, option = told.partition(" ")
        panel.plot(
            mean(row["cost"] for row in own),
            mean(row["regret"] for row in own),
            MARKS[rule],
            color=COLOURS.get(base, OTHERS),
            fillstyle="none" if option else "full",
            label=f"{told}, {rule}",
        )
    panel.set_title(name, fontsize=9)
    panel.set_xscale("log")
    panel.set_xlabel("cost in whole fine-tunes")
    panel.set_ylim(bottom=-0.001)


if __name__ == "__main__":
    main()
