"""Results as text for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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
    from ttl.export.file_check import Step
    from ttl.report.schema import RunReport
    from ttl.report.schema.searched import SeedSpread
    from ttl.report.schema.validation import Validation
    from ttl.run.checking import FileState


def counts_table(task: Description) -> str:
    """Images of each class in each split; of a segmentation the images that hold it, and its share of the pixels."""
    width = max(5, *map(len, task.class_names))
    lines = [f"{'class':<{width}}" + "".join(f"{split:>8}" for split in task.counts)]
    for name in task.class_names:
        lines.append(f"{name:<{width}}" + "".join(f"{of_split[name]:>8}" for of_split in task.counts.values()))
    if task.pixel_share:
        shares = [units.percent(task.pixel_share[name]) for name in task.class_names]
        lines = [f"{line}{share:>10}" for line, share in zip(lines, ["pixels", *shares], strict=True)]
        lines = ["Images that hold each class, and its share of the labelled pixels:", *lines]
    return "\n".join(lines)


def candidates_table(report: RunReport) -> str:
    """The points tried: cost and metric with intervals, the chosen one marked."""
    chooses = report.score
    width = max(len(row.cut) for row in report.candidates)
    val = f"val {chooses.name} (95 % interval)"
    test = f"   test {chooses.name}" if any(row.test for row in report.candidates) else ""
    lines = [f"{'point':<{width}}   params     MACs  epochs  {val:<25}{test}"]
    for row in report.candidates:
        costs = f"{row.params / 1e6:>7.3f}M {row.macs / 1e9:>7.3f}G {row.epochs:>6}"
        scores = f"{estimate(report.validation(row), chooses):<25}"
        if row.test:
            scores += f" {estimate(report.tested(row), chooses)}"
        lines.append(f"{row.cut:<{width}} {costs}  {scores}{'  <- chosen' if report.is_chosen(row.cut) else ''}")
        if row.spread:
            splits = [split for split, of in (("val", row.spread.val), ("test", row.spread.test)) if of]
            means = (f"{split} {over_seeds(row.spread, split, report.metric, chooses)}" for split in splits)
            lines.append(f"{'':<{width}} {'; '.join(means)}")
    return "\n".join(lines)


LATENCY_COLUMNS: dict[str, tuple[str, Callable[..., str]]] = {
    "batch": ("batch", str),
    "threads": ("threads", str),
    "p50_ms": ("p50 ms", "{:.2f}".format),
    "p90_ms": ("p90 ms", "{:.2f}".format),
    "p95_ms": ("p95 ms", "{:.2f}".format),
    "p99_ms": ("p99 ms", "{:.2f}".format),
    "images_per_second": ("images/s", "{:.1f}".format),
    "cold_start_ms": ("cold ms", "{:.1f}".format),
    "peak_memory_bytes": ("peak MB", lambda n_bytes: f"{n_bytes / 1e6:.1f}"),
}


def latency_table(rows: Sequence[Latency]) -> str:
    """Where each model ran and how fast, and the ratio to the last with its interval; `-` where there is no figure.

    Columns without any figure are left out.
    """
    columns = [
        ["model", *(row.model for row in rows)],
        ["runtime", *(row.runtime for row in rows)],
        ["ran on", *map(_ran_on, rows)],
    ]
    for key, (head, text) in LATENCY_COLUMNS.items():
        figures = [getattr(row, key) for row in rows]
        if any(figure is not None for figure in figures):
            columns.append([head, *("-" if figure is None else text(figure) for figure in figures)])
    return _aligned(*columns, ["time against the last (95 % interval)", *map(_against, rows)], left=3)


def _ran_on(row: Latency) -> str:
    """The provider; on a GPU also where images and outputs are."""
    where, _, how = row.device.partition(", ")
    return ", ".join(filter(None, (row.provider or where, how)))


def _against(row: Latency) -> str:
    if row.failed:
        return f"not measured: {row.failed}"
    if not row.ratio_ci:
        return "1" if row.ratio_to_full == 1 else "-"
    low, high = row.ratio_ci
    words = ", no measurable speed-up" if low <= 1 <= high else ""
    return f"{row.ratio_to_full:.3f} ({low:.3f} to {high:.3f}){words}"


def _aligned(*columns: Sequence[str], left: int) -> str:
    """Columns side by side, the first `left` of them flush left, others right; the last one as it is."""
    padded = []
    for number, column in enumerate(columns[:-1]):
        width = max(map(len, column))
        padded.append([cell.ljust(width) if number < left else cell.rjust(width) for cell in column])
    return "\n".join("  ".join(row) for row in zip(*padded, columns[-1], strict=True))


def metrics(estimates: Mapping[str, Estimate], spread: SeedSpread | None, split: str, unit: str = "") -> str:
    """All metrics, a line each; beside them mean and standard deviation over the seeds, where there are several.

    Distances are in `unit`, `px` or `mm`.
    """
    named = {key: metric(key, unit) for key in estimates}
    width = max(len(of.name) for of in named.values())
    lines = []
    for key, of in named.items():
        beside = over_seeds(spread, split, key, of) if spread else ""
        lines.append(f"  {of.name:<{width}}  {estimate(estimates[key], of):<25}  {beside}".rstrip())
    return "\n".join(lines)


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


def validation_table(of: Validation) -> str:
    """Every figure of the files beside each other, then their decisions counted."""
    from ttl.report.validation_words import lines_of

    rows = [["", *(file.file for file in of.files.values())]]
    for part in lines_of(of):
        rows.append([f"{part.title}:", *[""] * len(of.files)])
        for line in part.lines:
            both = (line.cut, line.whole) if of.chosen else (line.whole,)
            rows.append([f"  {line.name}", *(estimate(each or Estimate(), line.metric) for each in both)])
    aligned = _aligned(*zip(*rows, strict=True), left=len(of.files) + 1)
    tables = ["\n".join(line.rstrip() for line in aligned.splitlines())]
    counts = [["finding", "file", "found", "missed", "false alarms", "left alone"]]
    for file in of.files.values():
        for finding, each in file.outcomes.items():
            counts.append([finding, file.file, *map(str, vars(each).values())])
    if len(counts) > 1:
        tables.append(_aligned(*zip(*counts, strict=True), left=2))
    return "\n\n".join(tables)


def checks_table(checks: Sequence[Check]) -> str:
    """The checks of a file: name, result, and what was wanted."""
    words = [f"{check.found}  (wanted: {check.wanted})" if check.wanted else check.found for check in checks]
    return _aligned([""] * len(checks), [check.name for check in checks], words, left=2)


def files_table(files: Sequence[FileRecord]) -> str:
    """Each file that was asked for: passed, failed or not exported, and the result or the reason."""
    width = max(len(file.file) for file in files)
    wide = max(12, *(len(file.precision) for file in files))
    lines = [f"{'file':<{width}}  {'precision':<{wide}}  {'state':<12}  {'MB':>7}  what was found"]
    for file in files:
        size = "-" if file.size_bytes is None else f"{file.size_bytes / 1e6:.2f}"
        parity = "" if file.parity_max_abs is None else f"differs from PyTorch by {file.parity_max_abs:.2g}"
        words = file.why or file.sentence or parity
        lines.append(f"{file.file:<{width}}  {file.precision:<{wide}}  {file.state:<12}  {size:>7}  {words}")
    return "\n".join(lines)


def states_table(files: Sequence[FileState]) -> str:
    """The state of each file of a run folder, and what is wrong with it; then how many there are of each."""
    words = [": ".join(filter(None, (file.file, file.why))) for file in files]
    table = _aligned([file.state for file in files], words, left=1)
    states = Counter(file.state for file in files)
    total = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return f"{table}\n\n{counted(len(files), 'file')}: {total}."


def steps_table(steps: Sequence[Step]) -> str:
    """What was found at each step of checking an exported file."""
    lines = []
    for step in steps:
        words = [step.name, step.why]
        if step.difference is not None:
            words.append(f"largest difference {step.difference:.2g}, allowed {step.tolerance:.2g}")
        lines.append(": ".join(filter(None, words)))
    return _aligned([step.state for step in steps], lines, left=1)


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
