"""A data set as it was read, before it is split: what every reader returns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttl.data.kind import KINDS, Kind
from ttl.data.masks import PickedMasks
from ttl.data.sources import PickedSource
from ttl.data.task import ImageSource, Labels, MaskSource, class_counts, label_words


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

    def counts(self) -> dict[str, int]:
        """Images by class name; those that are known to have it, where a sample may have several."""
        return dict(zip(self.class_names, class_counts(self.labels, len(self.class_names)), strict=True))

    def label_words(self, index: int) -> str:
        """The label of a sample as text: its class; or `edema=1;mass=0;nodule=`, nothing where unknown."""
        return label_words(self.class_names, self.labels[index])

    def pick(self, chosen: Sequence[int], *notes: str) -> Records:
        """The samples at these positions."""
        index, kept = np.array(chosen, np.int64), set(chosen)
        return replace(
            self,
            ids=tuple(self.ids[i] for i in chosen),
            labels=self.labels[index],
            source=PickedSource(self.source, index),
            masks=None if self.masks is None else PickedMasks(self.masks, index),
            given=None if self.given is None else tuple(self.given[i] for i in chosen),
            groups=None if self.groups is None else tuple(self.groups[i] for i in chosen),
            skipped=(*self.skipped, *(name for i, name in enumerate(self.ids) if i not in kept)),
            notes=(*self.notes, *notes),
        )

    def fingerprint(self) -> str:
        """SHA-256 (hex) over ids, class names, the bytes of every image and what every mask says."""
        total = hashlib.sha256()
        masks = [b""] * len(self) if self.masks is None else self.masks.digests
        for i, (sample, digest, mask) in enumerate(zip(self.ids, self.source.digests, masks, strict=True)):
            line = f"{sample}\0{self.label_words(i)}\0"
            total.update(line.encode("utf-8", "surrogateescape") + digest + mask)
        return total.hexdigest()
