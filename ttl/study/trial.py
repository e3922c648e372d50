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

    def definition(self) -> Definition:
        """What tells it from the other trials of a study, but for how far it is to go."""
        start = {"start": dict(self.start.definition())} if self.start else {}
        return {**self.candidate.definition(), "seed": self.seed, **start}


def trial_id(definition: Definition) -> str:
    """A name for a trial that depends on nothing but what defines it: 12 hexadecimal digits."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
