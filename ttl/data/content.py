"""Images that have lost their content, or a part of it: counted, and refused where they are most of a set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ttl.data.modality.eight_bits import LEAST_CONTRAST
from ttl.data.modality.facts import Facts
from ttl.data.records import Records
from ttl.errors import DataError
from ttl.words.counts import counted, listed

NAMED = 3  # images that a message names
FLAT = f"nearly one colour, with less than {LEAST_CONTRAST} of 255 greys from the darkest to the brightest pixel"


def with_content(records: Records) -> Records:
    """The records, with notes on images that are nearly of one colour, and on those with transparent pixels.

    Raises:
        DataError: more than half of the images are nearly of one colour.
    """
    facts = records.source.facts
    flat = [i for i, fact in enumerate(facts) if fact.contrast < LEAST_CONTRAST]
    if 2 * len(flat) > len(facts):
        raise DataError(
            f"{len(flat)} of {counted(len(facts), 'image')} of {records.name} are {FLAT}: {_names(records, flat)}. "
            f"{_cause([facts[i] for i in flat])}"
        )
    return replace(records, notes=(*records.notes, *_notes(records, flat)))


def _cause(flat: Sequence[Facts]) -> str:
    """Why they may be, and what to do."""
    if all(fact.transparent for fact in flat):
        return "Their pixels are transparent, so that they lie on black: save them without an alpha channel."
    if all(fact.deep for fact in flat):
        return "Give the values that are to be black and white with --range."
    return "Look at them, and save them so that their values go from 0 to 255, or with 16 bits."


def _notes(records: Records, flat: Sequence[int]) -> Iterator[str]:
    if flat:
        verb = "is" if len(flat) == 1 else "are"
        yield f"{counted(len(flat), 'image')} {verb} {FLAT}: {_names(records, flat)}. Look at them."
    clear = [i for i, fact in enumerate(records.source.facts) if fact.transparent]
    if clear:
        verb = "has" if len(clear) == 1 else "have"
        yield f"{counted(len(clear), 'image')} {verb} transparent pixels, which lie on black: {_names(records, clear)}."


def _names(records: Records, positions: Sequence[int]) -> str:
    return listed((records.ids[i] for i in positions), NAMED)
