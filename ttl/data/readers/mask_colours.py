"""Masks with palettes: whether the numbers of their colours mean the same in all files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ttl.data.modality.facts import MaskFacts, Palette
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
    palettes = [palette for facts in masks.values() for palette in facts.palettes]
    pairs = {pair for palette in palettes for pair in palette}
    if all(_agrees(palette, pairs) for palette in palettes):
        return None
    meaning = MaskValues((BLACK, *sorted({colour for _, colour in pairs} - {BLACK})), by_colour=True)
    if len(meaning.classes) != 2 or not all(palettes) or all(colour != BLACK for _, colour in pairs):
        first = next(name for name, facts in masks.items() if not all(_agrees(own, pairs) for own in facts.palettes))
        seen = listed(map(meaning.words, sorted({colour for _, colour in pairs})), FEW)
        raise DataError(
            f"The palettes of the masks of {place} differ ({first}), so their numbers don't say the same in all: name "
            f"the colours in the order of the classes with --mask-values, of {seen}."
        )
    return meaning


def _agrees(palette: Palette, pairs: set[tuple[int, int]]) -> bool:
    """Whether no file gives a number of this palette another colour, or a colour of it another number."""
    numbers, colours = {value for value, _ in palette}, {colour for _, colour in palette}
    return not any(value in numbers or colour in colours for value, colour in pairs.difference(palette))


def is_inverted(masks: Iterable[MaskFacts]) -> bool:
    """Whether all masks have palettes that show 1 in black, and 0 in another colour."""
    palettes = [palette for facts in masks for palette in facts.palettes]
    pairs = {pair for palette in palettes for pair in palette}
    return all(palettes) and (1, BLACK) in pairs and not pairs & {(0, BLACK)}
