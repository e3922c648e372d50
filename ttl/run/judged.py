"""What predictions are judged on: images, or patients by all of theirs."""

from __future__ import annotations

from dataclasses import dataclass

from ttl.data import Samples
from ttl.data.kind import Rows
from ttl.data.task import Labels, picked
from ttl.stats import Combine, combined


@dataclass(frozen=True, eq=False)
class Judged:
    """Labels, predictions, and patients where they are known, of images; or of patients, a row each."""

    labels: Labels
    rows: Rows
    groups: tuple[str, ...] | None

    @classmethod
    def of(cls, samples: Samples, rows: Rows, combine: Combine | None, inside: Labels | None = None) -> Judged:
        """Samples with their predictions `rows`, those at the positions `inside` alone where that is given.

        `combine` makes one row of a patient's images, where patients are known; None leaves images apart.
        """
        labels, own, groups = samples.labels, rows, samples.groups
        if inside is not None:
            labels, own, groups = labels[inside], own[inside], picked(groups, inside) if groups else None
        if combine is None or groups is None:
            return cls(labels, own, groups)
        labels, own, _ = combined(labels, own, groups, combine)
        return cls(labels, own, None)
