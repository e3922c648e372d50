"""Whether a fine-tune was trained enough for its model to leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan

from ttl.finetune.epoch import Epoch
from ttl.typed import Figure

NO_BETTER = 0.01
"""A loss that is lower than the constant prediction's by less than this share is no better, of however many images."""
HARDLY = 0.2
"""Log odds: where 90 % of the predictions lie closer together, they are all the same within 5 points of probability."""
STILL_FALLING = 0.01
"""The share by which the last epoch's loss is the lowest."""


@dataclass(frozen=True, kw_only=True)
class Undertrained:
    """What says that a fine-tune needed more epochs; all losses are of the validation images, a unit.

    Attributes:
        log_loss: of the model as it would leave, or, where that says more, with the recalibration that was tried
            (cross-validated).
        constant: of the best prediction that is the same for every image.
        error: the standard error of the difference of the two, paired over images (patients whole); nan where they are
            too few to know one, or where there is none.
        spread: log odds between the 5th and the 95th percentile of what is predicted.
        falling: whether the loss was still falling at the last epoch that the run allowed.
    """

    log_loss: Figure
    constant: Figure
    error: Figure = nan
    spread: Figure
    falling: bool

    @property
    def blocks(self) -> bool:
        """Whether the model must not be delivered as a cut."""
        return self._no_better or self._hardly_spread

    @property
    def any(self) -> bool:
        """Whether there is anything to say."""
        return self.blocks or self.falling

    @property
    def _no_better(self) -> bool:
        needed = NO_BETTER * self.constant
        return not self.constant - self.log_loss > (needed if isnan(self.error) else max(needed, self.error))

    @property
    def _hardly_spread(self) -> bool:
        return self.spread < HARDLY

    def words(self) -> str:
        """One sentence without its full stop, with the remedy; empty where there is nothing to say."""
        found = []
        if self._no_better:
            error = "" if isnan(self.error) else f", standard error of the difference {self.error:.4f}"
            found.append(
                f"its validation loss ({self.log_loss:.4f}) is no better than that of always giving the same "
                f"probabilities ({self.constant:.4f}{error})"
            )
        if self._hardly_spread:
            found.append("its probabilities hardly differ from image to image")
        if self.falling:
            found.append("its validation loss was still falling at the last epoch")
        return f"under-trained: {', and '.join(found)}; give it more --epochs, or a higher --lr" if found else ""


def is_falling(curve: Sequence[Epoch], cap: int | None) -> bool:
    """Whether a fine-tune that ended because it had `cap` epochs hadn't come to its end; False where its rule ended it.

    Of a single epoch that isn't known.
    """
    losses = [epoch.val_loss for epoch in curve]
    if cap is None or len(losses) < max(2, cap) or any(map(isnan, losses)):
        return False
    before = min(losses[:-1])
    return losses[-1] < before - STILL_FALLING * abs(before)
