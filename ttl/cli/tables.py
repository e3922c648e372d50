"""Results as text for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING

from ttl.words import units
from ttl.words.counts import counted
from ttl.words.estimate import Estimate
from ttl.words.metric import Metric, metric

if TYPE_CHECKING:
    from ttl.cost.latency import Latency
    from ttl.data.describe import Description
    from ttl.deliver.file_record import FileRecord
    from ttl.export.checks import Check
    from ttl.report.schema import RunReport
    from ttl.report.schema.searched import SeedSpread
    from ttl.run.checking import FileState


def counts_table(task: Description) -> str:
    """Images of each class in each split; of a segmentation the images that hold it, and its share of the pixels."""
    width = max(5, *map(len, task.class_names))
    head = f"{'class':<{width}}" + "".join(f"{split:>8}" for split in task.counts)
    images = task.counts.values()
    rows = [f"{name:<{width}}" + "".join(f"{of_split[name]:>8}" for of_split in images) for name in task.class_names]
    if not task.pixel_share:
        return "\n".join([head, *rows])
    shares = [units.percent(task.pixel_share[name]) for name in task.class_names]
    rows = [f"{row}{share:>10}" for row, share in zip(rows, shares, strict=True)]
    return "\n".join(["Images that hold each class, and its share of the labelled pixels:", f"{head}    pixels", *rows])


def candidates_table(report: RunReport) -> str:
    """The points tried: cost and metric with intervals, the chosen one marked."""
    chooses = report.score
    width = max(len(row.cut) for row in report.candidates)
    val = f"val {chooses.name} (95 % interval)"
    lines = [f"{'point':<{width}}   params     MACs  epochs  {val:<25}   test {chooses.name}"]
    for row in report.candidates:
        mark = "  <- chosen" if report.is_chosen(row.cut) else ""
        lines.append(
            f"{row.cut:<{width}} {row.params / 1e6:>7.3f}M {row.macs / 1e9:>7.3f}G {row.epochs:>6}  "
            f"{estimate(report.validation(row), chooses):<25} {estimate(report.tested(row), chooses)}{mark}"
        )
        if row.spread:
            spread = row.spread
            means = "; ".join(
                f"{split} {over_seeds(spread, split, report.metric, chooses)}" for split in ("val", "test")
            )
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


def latency_table(rows: Sequence[Latency]) -> str:
    """Where each model ran and how fast, and the ratio to the last with its interval; `-` where it isn't known.

    Columns that nothing is known of are left out.
    """
    numbers = [key for key in LATENCY_COLUMNS if any(getattr(row, key) is not None for row in rows)]
    cells = [["model", "runtime", "ran on"], *([row.model, row.runtime, _ran_on(row)] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [
        [LATENCY_COLUMNS[key] for key in numbers],
        *([_number(key, getattr(row, key)) for key in numbers] for row in rows),
    ]
    spans = [max(map(len, column)) for column in zip(*right, strict=True)]
    ends = ["time against the last (95 % interval)", *map(_against, rows)]
    return "\n".join(
        "  ".join([*map(str.ljust, left, widths), *map(str.rjust, middle, spans), end])
        for left, middle, end in zip(cells, right, ends, strict=True)
    )


def _ran_on(row: Latency) -> str:
    """The provider; on a GPU also where images and outputs are."""
    where, _, how = row.device.partition(", ")
    provider = row.provider or where
    return f"{provider}, {how}" if how else provider


def _number(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    if key == "peak_memory_bytes":
        return f"{value / 1e6:.1f}"
    return str(value) if isinstance(value, int) else f"{value:.2f}" if key.startswith("p") else f"{value:.1f}"


def _against(row: Latency) -> str:
    if row.failed:
        return f"not measured: {row.failed}"
    if not row.ratio_ci:
        return "1" if row.ratio_to_full == 1 else "-"
    low, high = row.ratio_ci
    words = ", no measurable speed-up" if low <= 1 <= high else ""
    return f"{row.ratio_to_full:.3f} ({low:.3f} to {high:.3f}){words}"


def metrics(estimates: Mapping[str, Estimate], spread: SeedSpread | None, split: str, unit: str = "") -> str:
    """All metrics, a line each; beside them mean and standard deviation over the seeds, where there are several.

    Distances are in `unit`, `px` or `mm`.
    """
    named = {key: metric(key, unit) for key in estimates}
    width = max(len(of.name) for of in named.values())
    lines = [f"  {named[key].name:<{width}}  {estimate(value, named[key]):<25}" for key, value in estimates.items()]
    if spread:
        beside = (over_seeds(spread, split, key, named[key]) for key in estimates)
        lines = [f"{line}  {words}" for line, words in zip(lines, beside, strict=True)]
    return "\n".join(line.rstrip() for line in lines)


def over_seeds(spread: SeedSpread, split: str, key: str, of: Metric) -> str:
    """`mean 0.9312, sd 0.0041 over 3 seeds`."""
    over = (spread.val if split == "val" else spread.test)[key]
    if isnan(over.mean):
        return "mean undefined"
    return f"mean {written(over.mean, of)}, sd {written(over.sd, of)} over {len(spread.seeds)} seeds"


def estimate(value: Estimate, of: Metric) -> str:
    """A value with its interval."""
    text = written(value.value, of)
    if isnan(value.value) or isnan(value.ci_low):
        return text
    low, high = (written(end, of).removesuffix(f" {of.unit}") for end in (value.ci_low, value.ci_high))
    return f"{text} ({low} to {high})"


def written(value: float, of: Metric) -> str:
    """`0.9312`, or `4.31 px`."""
    if isnan(value):
        return "undefined"
    return of.text(value) if of.is_distance else f"{value:.4f}"


def checks_table(checks: Sequence[Check]) -> str:
    """What was checked on a file: its name, what was found, and what was wanted."""
    width = max(len(check.name) for check in checks)
    return "\n".join(
        f"  {check.name:<{width}}  {check.found}" + (f"  (wanted: {check.wanted})" if check.wanted else "")
        for check in checks
    )


def files_table(files: Sequence[FileRecord]) -> str:
    """Each file that was asked for: passed, failed or not exported, and what was found of it."""
    width = max(len(file.file) for file in files)
    lines = [f"{'file':<{width}}  {'precision':<12}  {'state':<12}  {'MB':>7}  what was found"]
    for file in files:
        size = "      -" if file.size_bytes is None else f"{file.size_bytes / 1e6:7.2f}"
        lines.append(f"{file.file:<{width}}  {file.precision:<12}  {file.state:<12}  {size}  {_found(file)}")
    return "\n".join(lines)


def _found(file: FileRecord) -> str:
    """Of a file, in one sentence or a figure."""
    parity = "" if file.parity_max_abs is None else f"differs from PyTorch by {file.parity_max_abs:.2g}"
    return file.why or file.sentence or parity


def states_table(files: Sequence[FileState]) -> str:
    """The state of each file of a run folder, and what is wrong with it; then how many there are of each."""
    wide = max(len(file.state) for file in files)
    lines = [f"{file.state:<{wide}}  {': '.join(filter(None, (file.file, file.why)))}" for file in files]
    states = Counter(file.state for file in files)
    total = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return "\n".join([*lines, "", f"{counted(len(files), 'file')}: {total}."])


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
