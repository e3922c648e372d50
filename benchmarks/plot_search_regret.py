"""The cost-regret plot and the table of the docs, from what search_regret.py measured.

    python benchmarks/plot_search_regret.py

Each mark is a strategy with a rule of choice, mean over the seeds; further left is cheaper, further down is better. The
band is what chance between seeds makes: twice the noise floor over the square root of the seeds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

RESULTS = Path(__file__).parent / "results" / "search_regret.json"
PLOT = Path(__file__).parents[1] / "docs" / "search_regret.svg"
COLOURS = {"exhaustive": "0.35", "two-stage": "C0", "probe": "C1", "svcca": "C2", "joint": "C3"}
OTHERS, BAND = "0.7", "0.93"
MARKS = {"smallest": "o", "best": "^"}


def main() -> None:
    """Draw what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--plot", type=Path, default=PLOT, help="of classifiers; that of segmentations is beside it")
    told = parser.parse_args()
    measured = json.loads(told.results.read_text(encoding="utf-8"))
    plt.rcParams |= {"svg.fonttype": "none", "font.size": 9, "svg.hashsalt": "ttl"}
    for metric, plot in (("auprc", told.plot), ("dice", told.plot.with_stem(f"{told.plot.stem}_dice"))):
        some = {name: content for name, content in measured.items() if content.get("metric", "auprc") == metric}
        if some:
            draw_all(some, plot)
            print(table(some))


def draw_all(measured: Mapping[str, Mapping[str, Any]], plot: Path) -> None:
    """A panel a study."""
    rows = (len(measured) + 1) // 2
    figure, panels = plt.subplots(rows, 2, figsize=(8, 2.6 * rows + 0.7), squeeze=False)
    for panel, (name, content) in zip(panels.flat, measured.items(), strict=False):
        draw(panel, name, content)
    figure.legend(handles=legend(), loc="lower center", ncols=5, frameon=False)
    figure.tight_layout(rect=(0, 0.4 / (2.6 * rows + 0.7) + 0.02, 1, 1))
    figure.savefig(plot, metadata={"Date": None})


def legend() -> list[Artist]:
    """Colours are strategies, marks the rules of choice."""
    colours: list[Artist] = [Patch(color=colour, label=name) for name, colour in COLOURS.items()]
    marks = [
        Line2D([], [], color="k", marker=mark, linestyle="", label=f"--select {rule}") for rule, mark in MARKS.items()
    ]
    halved = Line2D([], [], color="k", marker="o", linestyle="", fillstyle="none", label="--halving")
    return [
        *colours,
        Patch(color=OTHERS, label="tried, not in ttl"),
        *marks,
        halved,
        Patch(color=BAND, label="chance between seeds"),
    ]


def table(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: a row a strategy, of each study regret and cost; means over the seeds."""
    lines = [
        f"| strategy | `--select` | {' | '.join(measured)} |",
        "|---" * (2 + len(measured)) + "|",
        f"| noise floor | | {' | '.join(_floor(content['noise_floor']) for content in measured.values())} |",
    ]
    columns = [{(told, rule): own for told, rule, own in grouped(content)} for content in measured.values()]
    for told, rule in columns[0]:
        cells = [_cell(column[told, rule]) for column in columns]
        lines.append(f"| {told} | {rule} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _floor(floor: float | None) -> str:
    return "one seed" if floor is None else f"{floor:.4f}"


def _cell(rows: Sequence[Mapping[str, Any]]) -> str:
    regret, cost, search = (mean(row[figure] for row in rows) for figure in ("regret", "cost", "search_cost"))
    return f"{regret:.4f} at {cost:.2f} ({search:.2f})"


def grouped(content: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Mapping[str, Any]]]]:
    """Each strategy and rule of choice with its rows."""
    rows: Sequence[Mapping[str, Any]] = content["rows"]
    for told, rule in dict.fromkeys((row["strategy"], row["select"]) for row in rows):
        yield told, rule, [row for row in rows if (row["strategy"], row["select"]) == (told, rule)]


def draw(panel: Axes, name: str, content: Mapping[str, Any]) -> None:
    """One data set."""
    if content["noise_floor"] is not None:
        seeds = len({row["seed"] for row in content["rows"]})
        panel.axhspan(0, 2 * content["noise_floor"] / sqrt(seeds), color=BAND)
    for told, rule, own in grouped(content):
        base, _, option = told.partition(" --")
        panel.plot(
            mean(row["cost"] for row in own),
            mean(row["regret"] for row in own),
            MARKS[rule],
            color=COLOURS.get(base, OTHERS),
            fillstyle="none" if option else "full",
        )
    panel.set_title(name, fontsize=9)
    panel.set_xscale("log")
    panel.set_xticks([0.5, 1, 2, 5, 10], labels=["0.5", "1", "2", "5", "10"])
    panel.set_xticks([], minor=True)
    panel.set_xlim(0.25, 13)
    panel.set_xlabel("cost in whole fine-tunes")
    panel.set_ylabel(f"regret in test {'Dice' if content.get('metric') == 'dice' else 'AUPRC'}")
    panel.set_ylim(-0.0008, 1.1 * max(0.01, *(row["regret"] for row in content["rows"])))


if __name__ == "__main__":
    main()
