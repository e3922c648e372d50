"""What the page calls the networks, and which of them a figure is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from ttl.deliver.pictures.cases import Which
from ttl.report.schema import RunReport

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
    """What the report has of one network.

    Attributes:
        network: also the CSS class of its marks.
        words: what it is called.
        of: a section's value.
    """

    network: Which
    words: str
    of: T


def sides(report: RunReport, *, full: T | None, chosen: T | None) -> list[Side[T]]:
    """The networks that there is something of, the whole one first."""
    values: dict[Which, T | None] = {"full": full, "chosen": chosen}
    return [
        Side(network, words, value)
        for network, words in networks(report).items()
        if (value := values[network]) is not None
    ]
