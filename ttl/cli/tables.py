"""Results as text for the terminal."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttl.words.metric import Metric


def counts_table(task: dict[str, Any]) -> str:
    """Images of each class in each split; of a segmentation the images that hold it, and its share of the pixels."""
    counts, names = task["counts"], task["class_names"]
    pixels = task.get("pixel_share") or {}
    width = max(5, *map(len, names))
    head = f"{'class':<{width}}" + "".join(f"{split:>8}" for split in counts)
    rows = [f"{name:<{width}}" + "".join(f"{counts[split][name]:>8}" for split in counts) for name in names]
    if not pixels:
        return "\n".join([head, *rows])
    rows = [f"{row}{_share(pixels.get(name)):>10}" for row, name in zip(rows, names, strict=True)]
    return "\n".join(["Images that hold each class, and its share of the labelled pixels:", f"{head}    pixels", *rows])


def _share(of: float | None) -> str:
    from ttl.words import units

    return "-" if of is None else units.percent(of)


def candidates_table(content: dict[str, Any]) -> str:
    """The points tried: cost and metric with intervals, the chosen one marked."""
    from ttl.words.metric import metric

    score = content["metric"]
    known = metric(score, content.get("task", {}).get("distance_unit") or "")
    chosen = content.get("chosen", {}).get("cut")
    width = max(len(row["cut"]) for row in content["candidates"])
    val = f"val {known.name} (95 % interval)"
    lines = [f"{'point':<{width}}   params     MACs  epochs  {val:<25}   test {known.name}"]
    for row in content["candidates"]:
        mark = "  <- chosen" if row["cut"] == chosen else ""
        lines.append(
            f"{row['cut']:<{width}} {row['params'] / 1e6:>7.3f}M {row['macs'] / 1e9:>7.3f}G {row['epochs']:>6}  "
            f"{estimate(row['val'][score], known):<25} {estimate(row['test'][score], known)}{mark}"
        )
        if "spread" in row:
            means = "; ".join(f"{split} {over_seeds(row['spread'], split, score, known)}" for split in ("val", "test"))
            lines.append(f"{'':<{width}} {means}")
    return "\n".join(lines)


LATENCY_COLUMNS = {
    "batch": "batch",
    "threads": "threads",
    "p50_ms": "p50 ms",
    "p90_ms": "p90 ms",
    "p95_ms": "p95 ms",
    "p99_ms": "p99 ms",
    "images_per_second": "images/s",
    "cold_start_ms": "cold ms",
    "peak_memory_bytes": "peak MB",
}


def latency_table(rows: list[dict[str, Any]]) -> str:
    """Where each model ran and how fast, and the ratio to the last with its interval; `-` where it isn't known.

    Columns that nothing is known of are left out.
    """
    named = ("model", "runtime", "provider")
    numbers = [key for key in LATENCY_COLUMNS if any(row.get(key) is not None for row in rows)]
    texts = [[*(_ran_on(row) if key == "provider" else row[key] for key in named)] for row in rows]
    cells = [["model", "runtime", "ran on"], *texts]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [
        [LATENCY_COLUMNS[key] for key in numbers],
        *([_number(key, row.get(key)) for key in numbers] for row in rows),
    ]
    spans = [max(map(len, column)) for column in zip(*right, strict=True)]
    ends = ["time against the last (95 % interval)", *map(_against, rows)]
    return "\n".join(
        "  ".join([*map(str.ljust, left, widths), *map(str.rjust, middle, spans), end])
        for left, middle, end in zip(cells, right, ends, strict=True)
    )


def _ran_on(row: dict[str, Any]) -> str:
    """The provider; on a GPU also where images and outputs are."""
    where, _, how = row["device"].partition(", ")
    provider: str = row.get("provider") or where
    return f"{provider}, {how}" if how else provider


def _number(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    if key == "peak_memory_bytes":
        return f"{value / 1e6:.1f}"
    return str(value) if isinstance(value, int) else f"{value:.2f}" if key.startswith("p") else f"{value:.1f}"


def _against(row: dict[str, Any]) -> str:
    if row.get("failed"):
        return f"not measured: {row['failed']}"
    if not row["ratio_ci"]:
        return "1" if row["ratio_to_full"] == 1 else "-"
    low, high = row["ratio_ci"]
    words = ", no measurable speed-up" if low <= 1 <= high else ""
    return f"{row['ratio_to_full']:.3f} ({low:.3f} to {high:.3f}){words}"


def metrics(estimates: dict[str, Any], spread: dict[str, Any] | None, split: str, unit: str = "") -> str:
    """All metrics, a line each; beside them mean and standard deviation over the seeds, where there are several.

    Distances are in `unit`, `px` or `mm`.
    """
    from ttl.words.metric import metric

    known = {name: metric(name, unit) for name in estimates}
    width = max(len(found.name) for found in known.values())
    lines = [f"  {known[key].name:<{width}}  {estimate(value, known[key]):<25}" for key, value in estimates.items()]
    if spread:
        beside = (over_seeds(spread, split, name, known[name]) for name in estimates)
        lines = [f"{line}  {words}" for line, words in zip(lines, beside, strict=True)]
    return "\n".join(line.rstrip() for line in lines)


def over_seeds(spread: dict[str, Any], split: str, name: str, known: Metric) -> str:
    """`mean 0.9312, sd 0.0041 over 3 seeds`."""
    found = spread[split][name]
    if found["mean"] is None:
        return "mean undefined"
    mean, sd = written(found["mean"], known), written(found["sd"], known)
    return f"mean {mean}, sd {sd} over {len(spread['seeds'])} seeds"


def estimate(found: dict[str, Any], known: Metric) -> str:
    """A value with its interval."""
    value = written(found["value"], known)
    if found["value"] is None or found["ci_low"] is None:
        return value
    low, high = (written(found[end], known).removesuffix(f" {known.unit}") for end in ("ci_low", "ci_high"))
    return f"{value} ({low} to {high})"


def written(value: float | None, known: Metric) -> str:
    """`0.9312`, or `4.31 px`."""
    if value is None or isnan(value):
        return "undefined"
    return known.text(value) if known.is_distance else f"{value:.4f}"


def checks_table(checks: list[dict[str, str]]) -> str:
    """What was checked on a file: what was found, and what was wanted."""
    width = max(len(check["name"]) for check in checks)
    return "\n".join(
        f"  {check['name']:<{width}}  {check['found']}" + (f"  (wanted: {check['wanted']})" if check["wanted"] else "")
        for check in checks
    )


def files_table(records: list[dict[str, Any]]) -> str:
    """Each file that was asked for: passed, failed or not exported, and what is known of it."""
    width = max(len(record["file"]) for record in records)
    lines = [f"{'file':<{width}}  {'precision':<12}  {'state':<12}  {'MB':>7}  what was found"]
    for record in records:
        size = f"{record['size_bytes'] / 1e6:7.2f}" if "size_bytes" in record else "      -"
        said = record.get("why") or record.get("sentence") or f"differs from PyTorch by {record['parity_max_abs']:.2g}"
        lines.append(f"{record['file']:<{width}}  {record['precision']:<12}  {record['state']:<12}  {size}  {said}")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
