"""Masks with palettes: whether the numbers of their colours mean the same in all files."""

from __future__ import annotations

from collections.abc import Mapping

from ttl.data.modality.facts import MaskFacts
from ttl.errors import DataError
from ttl.words.counts import listed
from ttl.words.mask_values import MaskValues

BLACK = 0x000000
SHOWN = 3
FEW = 6  # colours that a message names


def colours_meant(place: str, masks: Mapping[str, MaskFacts]) -> MaskValues | None:
    """The colours that are classes, where files give one number several colours, or one colour several numbers.

    Of two colours black is the background.

    Raises:
        DataError: there are more colours, or no black.
    """
    palettes = [facts.palette for facts in masks.values() if facts.palette]
    pairs = {pair for palette in palettes for pair in palette}
    if all(_agree(palette, pairs) for palette in palettes):
        return None
    meaning = MaskValues((BLACK, *sorted({colour for _, colour in pairs} - {BLACK})), by_colour=True)
    if len(meaning.classes) != 2 or len(palettes) < len(masks) or all(colour != BLACK for _, colour in pairs):
        first = next(name for name, facts in masks.items() if not _agree(facts.palette, pairs))
        shown = listed(map(meaning.words, sorted({colour for _, colour in pairs})), FEW)
        raise DataError(
            f"The palettes of the masks of {place} differ ({first}), so their numbers don't say the same in all: name "
            f"the colours in the order of the classes with --mask-values, of {shown}."
        )
    return meaning


def _agree(palette: tuple[tuple[int, int], ...], pairs: set[tuple[int, int]]) -> bool:
    """Whether no file gives a number of this palette another colour, or a colour of it another number."""
    own = set(palette)
    numbers, colours = {value for value, _ in own}, {colour for _, colour in own}
    strange = pairs - own
    return not any(value in numbers or colour in colours for value, colour in strange)


def is_inverted(facts: MaskFacts) -> bool:
    """Whether foreground is shown in black, and background in a colour."""
    shown = dict(facts.palette)
    return shown.get(1) == BLACK and shown.get(0, BLACK) != BLACK
