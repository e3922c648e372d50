"""The way from an image file to a decision, made from the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttl.export.usage import words
from ttl.export.usage.parts import (
    By,
    Decision,
    DecodingRules,
    Deep,
    Grey,
    Normalisation,
    Pixels,
    Probabilities,
    Tensor,
    Usage,
    Windows,
)

if TYPE_CHECKING:
    from ttl.export.contract import Contract

SIDES = ("height", "width")


def usage_of(contract: Contract) -> Usage:
    """How a file of this contract is used."""
    embedded, rule, stored = contract.embeds_preprocessing, contract.rule, contract.decoding
    taken, output = ends_of(contract)
    decoding = DecodingRules(stored.frame, stored.window, Deep(stored.stretch, stored.value_range))
    pixels = None if embedded else _pixels(contract)
    by: By = "most probable"
    if rule.thresholds:
        by = "finding" if rule.finding else "labels"
    decision = Decision(by, rule.finding, rule.thresholds, rule.per, rule.combine)
    normalisation = None if embedded else Normalisation(contract.mean, contract.std)
    probabilities = _probabilities(contract)
    steps = [*words.decoded(decoding), *(words.fed(pixels) if pixels else ())]
    shape = ", ".join(map(str, taken.shape))
    if normalisation is None:
        steps.append(f"Give `{taken.name}` the pixels, {taken.type} ({shape}), 1 channel or 3 (R, G, B).")
    else:
        mean, std = list(contract.mean), list(contract.std)
        scaled = f"(pixel / {normalisation.divide_by} - mean) / std, mean {mean} and std {std}, a channel each"
        steps.append(f"Give `{taken.name}` {scaled}, {taken.type} ({shape}).")
    steps += [words.given(output, contract.class_names, probabilities), words.decided(decision, contract.class_names)]
    return Usage(
        input=taken,
        output=output,
        class_names=contract.class_names,
        decoding=decoding,
        pixels=pixels,
        normalisation=normalisation,
        probabilities=probabilities,
        decision=decision,
        steps=tuple(steps),
    )


def ends_of(contract: Contract) -> tuple[Tensor, Tensor]:
    """The input and the output of a file of this contract."""
    if contract.embeds_preprocessing:
        free = SIDES if contract.per_pixel else ()
        return (
            Tensor("image", "uint8", ("batch", *SIDES, "channels")),
            Tensor("probabilities", "float32", ("batch", len(contract.class_names), *free)),
        )
    sides: tuple[str | int, ...] = SIDES if contract.free_sides else contract.sides
    drawn = sides if contract.per_pixel else ()
    taken = Tensor("image", "float32", ("batch", len(contract.mean), *sides))
    return taken, Tensor("logits", "float32", ("batch", contract.outputs, *drawn))


def _pixels(contract: Contract) -> Pixels:
    if not contract.per_pixel:
        own = contract.decoding
        return Pixels(contract.channels, Grey(), contract.sides, own.interpolation, own.fit, None, None)
    multiples = (contract.divisor,) * len(contract.sides) if contract.free_sides else contract.sides
    windows = tuple(-(-side // of) * of for side, of in zip(contract.sides, multiples, strict=True))
    return Pixels(contract.channels, Grey(), None, None, None, multiples, Windows(windows))


def _probabilities(contract: Contract) -> Probabilities:
    if contract.embeds_preprocessing:
        return "none"
    if contract.per_pixel and contract.outputs < len(contract.class_names):
        return "sigmoid of the second class"
    return contract.activation
