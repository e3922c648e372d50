"""The training images as a network that isn't fine-tuned yet looks at them: unaugmented, with what belongs to them."""

from __future__ import annotations

from dataclasses import dataclass

from ttl.data.decoded import Split
from ttl.data.modality.normalise import Normalise
from ttl.data.task import Task


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """The decoded training images of a task; `normalise` makes the network's input of them, on its device."""

    task: Task
    images: Split
    normalise: Normalise
    seed: int  # of what is drawn
