"""What the page calls the networks, which of them a figure is of, and whose the images are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from ttl.deliver.pictures.cases import Which
from ttl.report.schema import RunReport
from ttl.report.schema.searched import PointResult
from ttl.words import units
from ttl.words.estimate import Estimate
from ttl.words.metric import Metric

T = TypeVar("T")


def noun(report: RunReport) -> str:
    """What is cut."""
    return "U-Net" if report.task.kind.per_pixel else "network"


def networks(report: RunReport) -> dict[Which, str]:
    """What the networks are called; the whole one alone if it was chosen."""
    names: dict[Which, str] = {"full": f"whole {noun(report)}"}
    return names if report.keeps_whole else {**names, "chosen": f"truncated {noun(report)}"}


@dataclass(frozen=True)
class Side(Generic[T]):
    """What the report has of one network, also the CSS class of its marks; `words` is what that is called."""

    network: Which
    words: str
    of: T


def sides(report: RunReport, *, full: T | None, chosen: T | None) -> list[Side[T]]:
    """The networks that there is something of, the whole one first."""
    values: dict[Which, T | None] = {"full": full, "chosen": chosen}
    given = ((network, words, values[network]) for network, words in networks(report).items())
    return [Side(network, words, value) for network, words, value in given if value is not None]


def undertrained(report: RunReport) -> dict[Which, str]:
    """Of the delivered networks that are under-trained, a sentence each with the remedy."""
    results: dict[Which, PointResult | None] = {"full": report.full, "chosen": report.chosen}
    found = {}
    for network, words in networks(report).items():
        result = results[network]
        if result is not None and result.undertrained is not None and result.undertrained.any:
            found[network] = f"The {words} is {result.undertrained.words()}."
    return found


def with_interval(metric: Metric, estimate: Estimate, words: str = "") -> str:
    """`0.963 (0.941 to 0.981)`, with `words` before the interval."""
    interval = f" ({words}{metric.interval(estimate)})" if estimate.has_interval else ""
    return f"{metric.text(estimate.value)}{interval}"


def share_with_interval(metric: Metric, estimate: Estimate, words: str = "") -> str:
    """`87% (84% to 90%)`, with `words` before the interval; of a metric that is a share."""
    ends = f" ({words}{units.percent(estimate.ci_low)} to {units.percent(estimate.ci_high)})"
    return f"{units.percent(estimate.value)}{ends if estimate.has_interval else ''}"


def tested_units(report: RunReport) -> str:
    """What is decided on, and counted."""
    per_patient = report.decisions is not None and report.decisions.full.rule.per == "patient"
    return "test patients" if per_patient else "test images"


def patients(report: RunReport) -> Mapping[str, int]:
    """Patients of each split; empty where they aren't known, or not of all images.

    Groups that were made of duplicates (`--dedupe together`) may hold several patients, and are none.
    """
    counted = {split: n for split, n in report.task.groups.items() if n is not None}
    of_all = len(counted) == len(report.task.groups) and not known_of_some(report)
    return counted if of_all and not duplicates_are_grouped(report) else {}


def known_of_some(report: RunReport) -> int:
    """Of how many images the patient is known, where it is of some and not of all; else 0."""
    known = report.task.patients_known or 0
    return known if known < report.task.images else 0


def duplicates_are_grouped(report: RunReport) -> bool:
    """Whether images that show the same were kept in one split."""
    return report.run.config.get("dedupe") == "together"
