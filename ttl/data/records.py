"""A data set as it was read, before it is split: what every reader returns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttl.data.kind import KINDS, Kind
from ttl.data.sources import ImageSource, MaskSource
from ttl.data.task import Labels, label_words, picked


@dataclass(frozen=True, eq=False)
class Records:
    """All samples of a data set, in a stable order.

    Attributes:
        name: what messages call it.
        class_names: by label.
        ids: of each sample, unique.
        labels: `(n,)` int64; or `(n, classes)` of 1, 0 and -1 (unknown), where a sample may have several: with masks,
            whether the class is in the mask.
        source: the images, in the same order.
        given: the split that the data itself puts each sample in; None where it brings none.
        groups: the group (patient) of each sample; None where unknown.
        skipped: ids of samples that were left out because they can't be read.
        notes: what a person should know, a sentence each.
        masks: of the images, in the same order; None where the labels are all there is.
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
    masks: MaskSource | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def kind(self) -> Kind:
        """What the labels, or the masks, make of it."""
        if self.masks is not None:
            return KINDS["segmentation"]
        if self.labels.ndim == 2:
            return KINDS["multilabel"]
        return KINDS["binary" if len(self.class_names) == 2 else "multiclass"]

    def pick(self, chosen: Sequence[int], *notes: str) -> Records:
        """The samples at these positions; the others count as left out."""
        others = sorted(set(range(len(self))) - set(chosen))
        return replace(
            self,
            ids=picked(self.ids, chosen),
            labels=self.labels[np.array(chosen, np.int64)],
            source=self.source.pick(chosen),
            masks=self.masks and self.masks.pick(chosen),
            given=self.given and picked(self.given, chosen),
            groups=self.groups and picked(self.groups, chosen),
            skipped=(*self.skipped, *picked(self.ids, others)),
            notes=(*self.notes, *notes),
        )

    def fingerprint(self) -> str:
        """SHA-256 (hex) over ids, class names, the bytes of every image and what every mask says."""
        total = hashlib.sha256()
        masks = [b""] * len(self) if self.masks is None else self.masks.digests
        for i, (sample, digest, mask) in enumerate(zip(self.ids, self.source.digests, masks, strict=True)):
            line = f"{sample}\0{label_words(self.class_names, self.labels[i])}\0"
            total.update(line.encode("utf-8", "surrogateescape") + digest + mask)
        return total.hexdigest()
