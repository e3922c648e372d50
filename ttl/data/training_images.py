"""The training images as a network that isn't fine-tuned yet looks at them: unaugmented, with what belongs to them."""

from __future__ import annotations

from dataclasses import dataclass

from ttl.data.decoded import Split
from ttl.data.modality.normalise import Normalise
from ttl.data.task import Task


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """The training images of a task.

    Attributes:
        task: of them.
        images: decoded.
        normalise: makes the network's input of them; says on which device it computes.
        seed: of what is drawn.
    """

    task: Task
    images: Split
    normalise: Normalise
    seed: int
