"""The content of validation-NAME.json: a finished run's files on a data set that the run never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ttl.data.fingerprints import Overlap
from ttl.data.kind import Kind
from ttl.deliver.pictures.cases import Which
from ttl.export.checks import FileComparison
from ttl.report.schema.subgroups import Subgroup
from ttl.stats import DecisionRule, Outcomes, Power
from ttl.typed import OptionalKey
from ttl.words.estimate import Estimate
from ttl.words.metric import Metric, metric

PREFIX = "validation-"
"""Of the names of the files."""


@dataclass(frozen=True, kw_only=True)
class Claim(FileComparison):
    """The cut's metric less the whole network's, whether it is shown to lose less than the margin, or to be worse."""

    metric: str
    worse: bool


@dataclass(frozen=True, kw_only=True)
class Probabilities:
    """How far a file's probabilities can be trusted on these images; of masks a mean over pixels, then over images."""

    calibration_error: Estimate
    expected_error: Estimate  # of a perfectly calibrated model with these probabilities, on so many images
    bias: Mapping[str, Estimate]  # finding, or class -> calibration in the large: mean predicted less observed
    log_loss: Estimate
    brier: Estimate


@dataclass(frozen=True, kw_only=True)
class ValidatedFile:
    """One file: what it gives, and what it decides at its operating point.

    `rates` and `outcomes` are of findings: there are none of masks, and of several classes without a finding, of which
    there is the `confusion` (truth by decision).
    """

    file: str
    sha256: str
    cut: str
    trial: str
    rule: DecisionRule
    decides: str  # the rule in words
    metrics: Mapping[str, Estimate]
    tested: Mapping[str, Estimate]  # the same on the run's own test images
    rates: Mapping[str, Estimate]
    outcomes: Mapping[str, Outcomes]
    confusion: OptionalKey[tuple[tuple[int, ...], ...]] = None
    probabilities: OptionalKey[Probabilities] = None


@dataclass(frozen=True, kw_only=True)
class Validation:
    """All that was found. Where the whole network was chosen, it is the one file, and there are no claims."""

    schema: int = 1
    name: str  # that of the files
    data: str  # as it was given
    data_name: str
    fingerprint: str  # of the data, SHA-256
    run: str  # the run's id
    network: str
    kind: Kind
    class_names: tuple[str, ...]
    metric: str  # the primary one
    distance_unit: str = ""
    images: int
    patients: int | None  # None where they aren't known
    per: Literal["image", "patient", "pixel"]  # what is decided on
    counts: Mapping[str, int]  # class -> images that are labelled with it; `train_counts` are those of the run
    train_counts: Mapping[str, int]
    train_images: int
    leak: Overlap | None  # what the data have in common with the run; None where nobody looked
    dropped: int  # images that were left out for that
    other_patients: bool  # whether patients of the run's names are others
    prevalence: float | None  # that PPV and NPV are of, where it isn't that of the data
    threshold: float | None  # that was asked for, where it isn't each file's own
    chosen: ValidatedFile | None
    full: ValidatedFile
    primary: Claim | None
    decision: Claim | None
    power: Power | None  # of both claims together, on so many images
    subgroups: tuple[Subgroup, ...] = ()
    notes: tuple[str, ...]
    ttl: str  # its version
    at: str  # ISO 8601, UTC

    @property
    def files(self) -> dict[Which, ValidatedFile]:
        """Those there are, the cut's first."""
        cut: dict[Which, ValidatedFile] = {} if self.chosen is None else {"chosen": self.chosen}
        return {**cut, "full": self.full}

    @property
    def claims(self) -> tuple[Claim, ...]:
        """That must all be shown for the cut to be as good."""
        return tuple(claim for claim in (self.primary, self.decision) if claim is not None)

    def measure(self, key: str) -> Metric:
        """How a metric is called and written here."""
        return metric(key, self.distance_unit)
