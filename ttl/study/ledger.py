"""ledger.json: every look that a run folder's work took at the test images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from ttl.study.folder import Study
from ttl.typed import OptionalKey

LEDGER = "ledger.json"
Occasion = Literal["run", "finetune --test", "export", "operating point changed", "other groups"]


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at the test images: on which occasion, at what one fine-tuned model, or its file, gives for them."""

    occasion: Occasion
    trial: str
    images: int
    file: OptionalKey[str] = None
    rule: str = ""  # by what it decided, in words
    at: str = ""  # ISO 8601, UTC


@dataclass(frozen=True)
class Ledger:
    """In the order of time."""

    looks: tuple[Look, ...] = ()


def read_ledger(study: Study) -> Ledger:
    """The ledger of a run folder; an empty one where nobody looked.

    Raises:
        RunFolderError: it is damaged.
    """
    return study.read(Ledger, LEDGER) or Ledger()


def enter(study: Study, look: Look, *, again: bool = False) -> None:
    """Write a look down, before it is taken. What was interrupted and is done again is one look, unless `again`.

    Raises:
        RunFolderError: the ledger is damaged, or the folder can't be written.
    """
    looks = read_ledger(study).looks
    if again or look not in (replace(known, at=look.at) for known in looks):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        study.write(LEDGER, Ledger((*looks, replace(look, at=now))))
