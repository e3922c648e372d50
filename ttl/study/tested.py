"""What a fine-tuned model gives for the test images: test.json beside its trial.json, written after the choice only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ttl.stats import DecisionRule
from ttl.study.folder import TRIALS, Study
from ttl.study.record import StoredRows
from ttl.typed import OptionalKey
from ttl.words.estimate import Estimate

TEST = "test.json"


@dataclass(frozen=True, eq=False, kw_only=True)
class Tested:
    """Of one trial."""

    trial: str
    rows: StoredRows  # predictions, as `ttl.stats` scores them
    figures: Mapping[str, Estimate]  # metric -> value
    rule: DecisionRule  # by which it decided
    groups: tuple[str, ...] = ()  # columns of attributes by which somebody looked at it
    # Of masks `(2, images, ...)`, after recalibration and before: `ttl.stats.pixel_calibration` of each image.
    pixels: OptionalKey[StoredRows] = None


def tested(study: Study, trial: str) -> Tested | None:
    """What test.json of a trial holds; None where it wasn't tested.

    Raises:
        RunFolderError: it is damaged, or of another trial.
    """
    return study.read(Tested, f"{TRIALS}/{trial}/{TEST}")
