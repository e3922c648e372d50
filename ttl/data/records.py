"""A data set as it was read, before it is split: what every reader returns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ttl.data.task import ImageSource, Labels


@dataclass(frozen=True, eq=False)
class Records:
    """All samples of a data set, in a stable order.

    Attributes:
        name: what messages call it.
        class_names: by label.
        ids: of each sample, unique.
        labels: `(n,)` int64.
        source: the images, in the same order.
        given: the split that the data itself puts each sample in; None where it brings none.
        groups: the group (patient) of each sample; None where unknown.
        skipped: ids of samples that were left out because they can't be read.
        notes: what a person should know, a sentence each.
    """

    name: str
    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    labels: Labels
    source: ImageSource
    given: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def counts(self) -> dict[str, int]:
        """Images by class name."""
        numbers = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, numbers.tolist(), strict=True))

    def fingerprint(self) -> str:
        """SHA-256 (hex) over ids, class names and the bytes of every image."""
        total = hashlib.sha256()
        for sample, label, digest in zip(self.ids, self.labels, self.source.digests, strict=True):
            line = f"{sample}\0{self.class_names[label]}\0"
            total.update(line.encode("utf-8", "surrogateescape") + digest)
        return total.hexdigest()
