"""What lies beside an exported file: the same facts as JSON, and a model card for a person (Mitchell et al., 2019)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ttl.deliver.against_whole import AgainstWhole
from ttl.deliver.file_record import FileRecord
from ttl.export.contract import Contract, described
from ttl.export.example import Example
from ttl.export.usage.from_contract import usage_of
from ttl.export.usage.words import named, quoted
from ttl.files import write_text
from ttl.typed import to_json, write_sealed
from ttl.words import units
from ttl.words.estimate import Estimate
from ttl.words.metric import Metric, metric

SPLITS = {"val": "Validation", "test": "Test"}


def write_beside(
    path: Path,
    contract: Contract,
    record: FileRecord,
    example: Example | None = None,
    against: AgainstWhole | None = None,
) -> tuple[Path, Path]:
    """Write `NAME.json` and `NAME.md` beside the exported file `NAME.onnx`; both paths.

    Some runtimes don't hand out a file's metadata: its golden example is in the JSON, too.

    Raises:
        OSError: they can't be written.
    """
    facts, card = beside(path)
    compared = {"against_whole": to_json(against)} if against else {}
    metadata = described(contract) | ({"example": to_json(example)} if example else {})
    write_sealed(facts, {"metadata": metadata, "export": to_json(record), **compared})
    write_text(card, model_card(contract, record, against))
    return facts, card


def beside(path: Path) -> tuple[Path, Path]:
    """`NAME.json` and `NAME.md` of the file `NAME.onnx`."""
    return path.with_suffix(".json"), path.with_suffix(".md")


def model_card(contract: Contract, record: FileRecord, against: AgainstWhole | None = None) -> str:
    """The model card, as Markdown.

    Its one block of JSON is what a program needs to use the file: `Usage`, of the contract.
    """
    usage = usage_of(contract)
    return _template().render(
        contract=contract,
        usage=usage,
        usage_json=json.dumps(to_json(usage), ensure_ascii=False, indent=1),
        classes=named(contract.class_names),
        quoted=quoted,
        rule_words=_rule_words(contract),
        record=record,
        origin=contract.provenance,
        metrics=_metrics_table(contract, record),
        at_point=_at_point_table(record),
        against=against,
        compared=_against_table(against, record) if against else "",
        groups=_groups_table(contract, record),
        thresholds=_thresholds_table(contract),
        prior_shift=_prior_shift(contract),
        checks=[(check.name, check.found, check.wanted) for check in record.checks or ()],
        table=_table,
    )


@cache
def _template() -> Template:
    loader = PackageLoader("ttl.deliver")
    # It is Markdown: nothing to escape.
    environment = Environment(loader=loader, trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined)
    return environment.get_template("model_card.md")


def _metrics_table(contract: Contract, record: FileRecord) -> str:
    """What the fine-tuned model reached, and what this file gives on the same test images; empty without metrics."""
    own, splits = record.test or {}, [split for split in SPLITS if split in contract.metrics]
    heads = ["Metric", *(f"{SPLITS[split]} (95 % interval)" for split in splits), *(["Test, this file"] if own else [])]
    rows = []
    for key in dict.fromkeys(key for split in splits for key in contract.metrics[split]):
        writes = metric(key, record.distance_unit or "")
        cells = [_written(contract.metrics[split].get(key, Estimate()), writes) for split in splits]
        of_file = [_written(Estimate(own[key]), writes) if key in own else ""] if own else []
        rows.append([writes.name, *cells, *of_file])
    return _table(heads, rows) if rows else ""


def _rule_words(contract: Contract) -> str:
    """The rule in a sentence, classes quoted."""
    rule = contract.rule
    rule = replace(rule, finding=tuple(map(quoted, rule.finding)))
    return rule.words([quoted(name) for name in contract.class_names])


def _at_point_table(record: FileRecord) -> str:
    """The rates of this file where its rule decides, on the test images; empty where it has none."""
    rows = [[metric(key).name, _written(rate, metric(key))] for key, rate in (record.at_point or {}).items()]
    return _table(["Test, this file, where it decides", "(95 % interval)"], rows) if rows else ""


def _against_table(against: AgainstWhole, record: FileRecord) -> str:
    """This file and the whole network's, side by side."""
    sides, score = (against.cut, against.whole), metric(against.metric, record.distance_unit or "")
    rows = [
        ["Parameters, head included", *(f"{side.params:,}" for side in sides)],
        ["Multiply-adds an image", *(f"{side.macs:,}" for side in sides)],
        ["Bytes", *("" if side.size_bytes is None else f"{side.size_bytes:,}" for side in sides)],
    ]
    if against.timed_on:
        times = ("" if side.p50_ms is None else units.milliseconds(side.p50_ms) for side in sides)
        rows.append([f"Median time of a call ({against.timed_on})", *times])
    rows.append([f"Test {score.name}", *(_written(Estimate(side.score), score) for side in sides)])
    for key in dict.fromkeys(key for side in sides for key in side.rates):
        rates = (side.rates.get(key) for side in sides)
        rows.append([f"Test {metric(key).name}", *(_written(rate, metric(key)) if rate else "" for rate in rates)])
    return _table(["", *(side.file for side in sides)], rows)


def _thresholds_table(contract: Contract) -> str:
    """Every threshold as the exact number, and what it does on the images that it was set on; empty without any."""
    rule = contract.rule
    names = (
        [" or ".join(map(quoted, rule.finding))] if rule.finding else [quoted(name) for name in contract.class_names]
    )
    heads, rows = (
        ["Of", "Threshold"],
        [[name, repr(value)] for name, value in zip(names, rule.thresholds, strict=False)],
    )
    if rule.set_on:
        heads += [f"Validation {rule.per}s with it", "without", "Sensitivity there", "Specificity there"]
        for row, point in zip(rows, rule.set_on, strict=True):
            rates = (
                _written(Estimate(value), metric("sensitivity")) for value in (point.sensitivity, point.specificity)
            )
            row += [str(point.positives), str(point.negatives), *rates]
    return _table(heads, rows) if rows else ""


def _prior_shift(contract: Contract) -> str:
    """What was added to each logit because classes were evened out in training; empty where nothing was."""
    shifts = contract.recalibration.prior_shift if contract.recalibration else ()
    names = [
        quoted(name) for name in contract.class_names[-len(shifts) :]
    ]  # of two classes of pixels there is one output, the second's
    return ", ".join(f"{name} {shift:+.4f}" for name, shift in zip(names, shifts, strict=True)) if any(shifts) else ""


def _groups_table(contract: Contract, record: FileRecord) -> str:
    """Figures of groups of the test images; empty without groups."""
    groups, score = record.groups or (), metric(contract.kind.primary, record.distance_unit or "")
    rates = [name for name in ("sensitivity", "specificity") if groups and name in groups[0].rates]
    rows = [
        [
            f"{group.column}: {group.value}" + (" (too few to say anything)" if group.too_few else ""),
            str(group.units),
            _written(group.score, score),
            *(_written(group.rates[name], metric(name)) for name in rates),
        ]
        for group in groups
    ]
    return _table(["Group", "n", score.name, *(metric(name).name for name in rates)], rows) if rows else ""


def _written(estimate: Estimate, writes: Metric) -> str:
    if not estimate.is_defined:
        return "undefined"
    return writes.text(estimate.value) + (f" ({writes.interval(estimate)})" if estimate.has_interval else "")


def _table(heads: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
