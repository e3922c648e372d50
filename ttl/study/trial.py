"""One fine-tune to be done, as plain data that any process understands."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from ttl.study.candidate import Candidate, Definition


@dataclass(frozen=True)
class Trial:
    """A fine-tune of a candidate."""

    candidate: Candidate  # what is fine-tuned
    seed: int  # of the head, the order, the augmentation and dropout
    epochs: int | None = None  # pause after so many; None lets it end
    # The candidate whose fine-tune (with the same seed) it goes on from; None begins with pretrained weights.
    start: Candidate | None = None
    fold: int | None = None  # of a cross-validation, from 0: what it doesn't learn from; None learns from all of train
    exact: int | None = None  # so many epochs, the last of which is kept; None keeps the best by the validation images
    start_exact: int | None = None  # likewise of the fine-tune that it goes on from

    @property
    def label(self) -> str:
        """What it is called while it runs."""
        return labelled(self.candidate.name, self.fold, self.exact)

    @property
    def before(self) -> Trial | None:
        """The trial that it goes on from."""
        if self.start is None:
            return None
        return Trial(self.start, self.seed, fold=self.fold, exact=self.start_exact)

    def definition(self) -> Definition:
        """What tells it from the other trials of a study, but for how far it is to go."""
        before = {} if self.start_exact is None else {"exact": self.start_exact}
        start = {"start": {**self.start.definition(), **before}} if self.start else {}
        exact = {} if self.exact is None else {"exact": self.exact}
        return {**self.candidate.definition(), "seed": self.seed, **start, **exact}


def labelled(cut: str, fold: int | None, exact: int | None) -> str:
    """`layer3.5`, `layer3.5, fold 2`, or `layer3.5 on all images`."""
    if fold is not None:
        return f"{cut}, fold {fold + 1}"
    return cut if exact is None else f"{cut} on all images"


def trial_id(definition: Definition) -> str:
    """A name for a trial that depends on nothing but what defines it: 12 hexadecimal digits."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
