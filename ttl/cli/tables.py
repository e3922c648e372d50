"""Results as text for the terminal."""

from __future__ import annotations

from typing import Any


def counts_table(task: dict[str, Any]) -> str:
    """Images of each class in each split."""
    counts, names = task["counts"], task["class_names"]
    width = max(5, *map(len, names))
    head = f"{'class':<{width}}" + "".join(f"{split:>8}" for split in counts)
    rows = [f"{name:<{width}}" + "".join(f"{counts[split][name]:>8}" for split in counts) for name in names]
    return "\n".join([head, *rows])


def candidates_table(content: dict[str, Any]) -> str:
    """The points tried: cost and metric with intervals, the chosen one marked."""
    metric = content["metric"]
    chosen = content.get("chosen", {}).get("cut")
    width = max(len(row["cut"]) for row in content["candidates"])
    lines = [
        f"{'point':<{width}}   params     MACs  epochs  val {metric.upper()} (95 % interval)   test {metric.upper()}"
    ]
    for row in content["candidates"]:
        mark = "  <- chosen" if row["cut"] == chosen else ""
        lines.append(
            f"{row['cut']:<{width}} {row['params'] / 1e6:>7.3f}M {row['macs'] / 1e9:>7.3f}G {row['epochs']:>6}  "
            f"{estimate(row['val'][metric]):<25} {estimate(row['test'][metric])}{mark}"
        )
        if "spread" in row:
            means = "; ".join(f"{split} {over_seeds(row['spread'], split, metric)}" for split in ("val", "test"))
            lines.append(f"{'':<{width}} {means}")
    return "\n".join(lines)


def latency_table(rows: list[dict[str, Any]]) -> str:
    """Milliseconds, and the ratio to the last model with its interval."""
    width = max((len(row["model"]) for row in rows), default=0)
    lines = [f"{'model':<{width}}  threads  p50 ms  p90 ms  time against the last (95 % interval)"]
    for row in rows:
        p90 = f"{row['p90_ms']:7.2f}" if row["p90_ms"] is not None else "      -"
        ratio = "1" if row["ratio_to_full"] == 1 else "-"
        if row["ratio_ci"]:
            low, high = row["ratio_ci"]
            words = ", no measurable speed-up" if low <= 1 <= high else ""
            ratio = f"{row['ratio_to_full']:.3f} ({low:.3f} to {high:.3f}){words}"
        lines.append(f"{row['model']:<{width}}  {row['threads']:>7} {row['p50_ms']:7.2f} {p90}  {ratio}")
    return "\n".join(lines)


def metrics(estimates: dict[str, Any], spread: dict[str, Any] | None, split: str) -> str:
    """All metrics, a line each; beside them mean and standard deviation over the seeds, where there are several."""
    from ttl.report.reading import metric_name

    width = max(len(metric_name(name)) for name in estimates)
    lines = [f"  {metric_name(name):<{width}}  {estimate(value):<25}" for name, value in estimates.items()]
    if spread:
        lines = [f"{line}  {over_seeds(spread, split, name)}" for line, name in zip(lines, estimates, strict=True)]
    return "\n".join(line.rstrip() for line in lines)


def over_seeds(spread: dict[str, Any], split: str, metric: str) -> str:
    """`mean 0.9312, sd 0.0041 over 3 seeds`."""
    found = spread[split][metric]
    if found["mean"] is None:
        return "mean undefined"
    return f"mean {found['mean']:.4f}, sd {found['sd']:.4f} over {len(spread['seeds'])} seeds"


def estimate(found: dict[str, Any]) -> str:
    """A value with its interval."""
    if found["value"] is None:
        return "undefined"
    if found["ci_low"] is None:
        return f"{found['value']:.4f}"
    return f"{found['value']:.4f} ({found['ci_low']:.4f} to {found['ci_high']:.4f})"


def listed(numbers: tuple[int, ...]) -> str:
    """`1, 2 and 7`."""
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
