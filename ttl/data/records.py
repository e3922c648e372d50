"""A data set as it was read, before it is split: what every reader returns."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ttl.data.sources import ImageSource, MaskSource
from ttl.data.task import Attributes, Labels, label_words, picked
from ttl.errors import DataError
from ttl.words.counts import listed
from ttl.words.text import printable

if TYPE_CHECKING:
    from ttl.data.kind import Kind


@dataclass(frozen=True, eq=False)
class Records:
    """All samples of a data set, in a stable order; for what isn't explained see `Samples` and `Task`."""

    name: str
    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    labels: Labels
    source: ImageSource
    # The split that the data itself puts each sample in; None where it brings none.
    given: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None  # the group (patient) of each sample; None where unknown
    unknown_patients: frozenset[str] = frozenset()  # ids of samples that are a group of their own for want of a patient
    skipped: tuple[str, ...] = ()  # ids of samples that were left out because they can't be read
    notes: tuple[str, ...] = ()
    masks: MaskSource | None = None  # of the images, in the same order; None where the labels are all there is
    attributes: Attributes = field(default_factory=dict)
    finding: tuple[str, ...] = ()  # the classes that are one finding, see `Task`
    ordinal: bool = False  # whether the classes are ordered as their names are
    swapped: bool = False  # whether the two classes are in another order than the reader gave them

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def kind(self) -> Kind:
        """What the labels, or the masks, make of it."""
        from ttl.data.kind import KINDS  # which are asked about records

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
            attributes={name: picked(values, chosen) for name, values in self.attributes.items()},
            skipped=(*self.skipped, *picked(self.ids, others)),
            notes=(*self.notes, *notes),
        )

    def printable(self) -> Records:
        """The same with all names as any file and terminal can hold them; the paths of the files stay as they are.

        Raises:
            DataError: two ids become one by it.
        """
        ids = tuple(map(printable, self.ids))
        if len(set(ids)) < len(ids):
            twice = [sample for sample, times in Counter(ids).items() if times > 1]
            raise DataError(
                f"{self.name} has files whose names can't be told apart once their bytes that aren't UTF-8 are written "
                f"as text ({listed(twice, 3)}): rename them."
            )
        return replace(
            self,
            name=printable(self.name),
            class_names=tuple(map(printable, self.class_names)),
            ids=ids,
            groups=self.groups and tuple(map(printable, self.groups)),
            unknown_patients=frozenset(map(printable, self.unknown_patients)),
            skipped=tuple(map(printable, self.skipped)),
            notes=tuple(map(printable, self.notes)),
            attributes={name: tuple(map(printable, values)) for name, values in self.attributes.items()},
        )

    def fingerprint(self) -> str:
        """SHA-256 (hex) over ids, class names, the bytes of every image and what every mask says.

        Classes that were swapped make it another: what a network learned of one order is read wrongly in the other.
        """
        total = hashlib.sha256(b"swapped" if self.swapped else b"")
        masks = [b""] * len(self) if self.masks is None else self.masks.digests
        for sample, label, digest, mask in zip(self.ids, self.labels, self.source.digests, masks, strict=True):
            line = f"{sample}\0{label_words(self.class_names, label)}\0"
            total.update(line.encode("utf-8", "surrogateescape") + digest + mask)
        return total.hexdigest()
