"""All that a consumer of a model must know: what it takes, what it gives, how good it was, where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ttl.data.kind import Kind
from ttl.data.modality.rendering import Frame, Rendering, Stretch
from ttl.data.modality.resizing import Fit, Resizing
from ttl.errors import ExportError, RunFolderError
from ttl.export.checks import OwnFigures
from ttl.export.digest import check_digests
from ttl.export.targets import TargetName
from ttl.export.usage.from_contract import usage_of
from ttl.stats import DecisionRule, Recalibration
from ttl.stats.recalibration import Activation
from ttl.typed import REMEDY, OptionalKey, from_json, to_json
from ttl.words.estimate import Estimate
from ttl.words.sides import AXES, across

PREFIX = "ttl."
AGAIN = "export it again"
INPUT_CHANNELS = 3
MOST_PIXELS = 2**26
"""Of an image: 8192 x 8192, for which a network's first layer alone takes gigabytes."""
Side = Annotated[int, Field(ge=1, le=2**16)]
Count = Annotated[int, Field(ge=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Spread = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Decoding:
    """How an image file becomes pixels: see `Rendering`; then resized by `bilinear` or `bicubic`, antialiased.

    In segmentation images keep their size.
    """

    interpolation: str
    window: tuple[Finite, Spread] | None = None
    value_range: OptionalKey[tuple[Finite, Finite]] = None
    frame: Frame = "first"
    fit: Fit = "squash"
    stretch: Stretch = "minmax"  # as files of version 0.1 say it, which have none

    @property
    def rendering(self) -> Rendering:
        """How the values of a file become 8 bits."""
        return Rendering(self.window, self.value_range, self.frame, self.stretch)


@dataclass(frozen=True)
class Provenance:
    """Where a model came from: the pretrained network, the truncation point it was cut at (`index` 1 = lowest), how and
    on what it was fine-tuned.
    """

    network: str
    weights: str  # where the network's weights came from, in words
    cut: str
    index: Annotated[int, Field(ge=1)]
    params: Count  # those of the head included
    macs: Count  # multiply-adds of one image up to the cut
    data_fingerprint: str  # SHA-256
    ttl_version: str
    recipe: str = ""
    data_name: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)  # of the tools that made the file, by name
    licence: str = ""  # the terms that the weights stand under, as far as they are known


@dataclass(frozen=True)
class Contract:
    """The contract of a model, saved or exported."""

    kind: Kind
    # in the order of the outputs; of a segmentation into two classes there is one output, the second's
    class_names: Annotated[tuple[str, ...], Field(min_length=1)]
    # height and width in pixels that images are resized to; in segmentation they keep their size, and larger ones are
    # predicted in windows of these sides
    sides: Annotated[tuple[Side, ...], Field(min_length=AXES, max_length=AXES)]
    channels: Literal[1, 3]  # 1 when the images it was trained on are grey (the model takes them repeated to 3), else 3
    # what is subtracted from pixels scaled to 0..1, for each of the 3 input channels; `std` divides afterwards
    mean: Annotated[tuple[Finite, ...], Field(min_length=INPUT_CHANNELS, max_length=INPUT_CHANNELS)]
    std: Annotated[tuple[Spread, ...], Field(min_length=INPUT_CHANNELS, max_length=INPUT_CHANNELS)]
    decoding: Decoding
    provenance: Provenance
    modality: Literal["image"] = "image"
    # of the sides of a segmentation network's input: images are padded to multiples, the logits cropped
    divisor: Annotated[int, Field(ge=1)] = 1
    free_sides: bool = False  # whether it takes any such sides; else they are `sides`
    precision: TargetName = "fp32"
    # whether it takes decoded images, uint8 `(n, height, width, channels)` of any size, and gives probabilities; else
    # normalised ones of its input size, and gives logits
    embeds_preprocessing: bool = False
    # how the logits that training left were changed, which is in the weights; None where nobody looked
    recalibration: OptionalKey[Recalibration] = None
    # how its probabilities become decisions; None where nobody set it
    decision: OptionalKey[DecisionRule] = None
    # that the fine-tune needed more epochs, in words; None where it didn't
    undertrained: OptionalKey[str] = None
    # what an exported file itself gives on the test images, in its own precision; None where nobody looked
    own: OptionalKey[OwnFigures] = None
    # split -> metric -> estimate, of the fine-tuned model in PyTorch
    metrics: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    # what comparing an exported file with PyTorch found: `max_abs`, `tolerance`, `float64_max_abs`
    parity: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def per_pixel(self) -> bool:
        """Whether pixels are classified, not images."""
        return self.kind.per_pixel

    @property
    def outputs(self) -> int:
        """How many the network has."""
        return self.kind.outputs(len(self.class_names))

    @property
    def resizing(self) -> Resizing:
        """How images become the network's input, but for segmentation."""
        return Resizing(self.sides, self.decoding.interpolation, self.decoding.fit)

    @property
    def rule(self) -> DecisionRule:
        """How its probabilities become decisions."""
        return self.decision or self.kind.default_rule(self.class_names)

    @property
    def mask_threshold(self) -> float | None:
        """Of two classes of pixels, the probability of the second from which on a pixel is it; None elsewhere."""
        return self.kind.pixel_threshold(self.rule)

    @property
    def activation(self) -> Activation:
        """What makes probabilities of the logits: `softmax` over the outputs, or a `sigmoid` of each."""
        return self.kind.activation(self.outputs)


def contract_to_json(contract: Contract) -> dict[str, object]:
    """The contract as JSON values, all at one level under the names that ONNX metadata has had since version 0.1."""
    nested = to_json(contract)
    values = {**nested.pop("provenance"), **nested.pop("decoding"), **nested}
    values["backbone"] = values.pop("network")
    square = {"image_size": contract.sides[0]} if len(set(contract.sides)) == 1 else {}
    return {**values, **square, "outputs": contract.outputs, "activation": contract.activation}


def contract_from_json(content: Mapping[str, object], *, where: str, remedy: str = REMEDY) -> Contract:
    """What `contract_to_json` gave, of this version or 0.1; other keys are left alone.

    Raises:
        RunFolderError: it isn't a contract; the sentence names the file and the field.
    """
    values = {"network" if key == "backbone" else key: value for key, value in content.items()}
    if "image_size" in values:  # all that version 0.1 wrote, whose sides were equal
        values.setdefault("sides", [values["image_size"]] * AXES)
    for name, part in {"decoding": Decoding, "provenance": Provenance}.items():
        values[name] = to_json(from_json(part, values, where=where, remedy=remedy))
    contract = from_json(Contract, values, where=where, remedy=remedy)
    for name in ("outputs", "activation"):
        wanted = getattr(contract, name)
        if values.get(name, wanted) != wanted:
            raise RunFolderError(
                f"{where} can't be trusted: the field {name} is {values[name]!r}, and {contract.kind} with "
                f"{len(contract.class_names)} classes has {wanted!r}; {remedy}"
            )
    _check_sizes(contract, where, remedy)
    _check_decision(contract, where, remedy)
    return contract


def _check_sizes(contract: Contract, where: str, remedy: str) -> None:
    """Refuse what no network has before memory is asked for it."""
    names, sides = contract.class_names, contract.sides
    if len(set(names)) < len(names) or "" in names:
        raise RunFolderError(f"{where} can't be trusted: the field class_names has a name twice, or none; {remedy}")
    if contract.kind.has_positive and len(names) != 2:
        raise RunFolderError(
            f"{where} can't be trusted: the field class_names has {len(names)} names, and {contract.kind} has 2 "
            f"classes; {remedy}"
        )
    if prod(sides) > MOST_PIXELS or contract.divisor > max(sides):
        raise RunFolderError(
            f"{where} can't be trusted: the field sides is {across(sides)} and divisor {contract.divisor}, which no "
            f"network has; {remedy}"
        )


def _check_decision(contract: Contract, where: str, remedy: str) -> None:
    rule, names = contract.rule, contract.class_names
    if not rule.fits(names):
        raise RunFolderError(
            f"{where} can't be trusted: the field decision has {len(rule.thresholds)} thresholds and the finding "
            f"{rule.finding}, which doesn't fit the classes {', '.join(names)}; {remedy}"
        )


def described(contract: Contract) -> dict[str, object]:
    """What a file says of itself, as JSON values: the contract, and how the file is used."""
    return {**contract_to_json(contract), "usage": to_json(usage_of(contract))}


def to_properties(contract: Contract) -> dict[str, str]:
    """The same as ONNX metadata properties: keys `ttl.*`, values JSON."""
    return {PREFIX + key: json.dumps(value, ensure_ascii=False) for key, value in described(contract).items()}


def from_properties(properties: Mapping[str, str], path: Path) -> Contract:
    """The contract in a file's properties; properties that this version doesn't know are left alone.

    Raises:
        ExportError: there is none, or it can't be trusted; `path` names the file in the message.
    """
    if PREFIX + "kind" not in properties:
        raise ExportError(f"{path} has no ttl metadata: write it with `ttl export`.")
    try:
        own = {key.removeprefix(PREFIX): json.loads(text) for key, text in properties.items() if key.startswith(PREFIX)}
    except (ValueError, RecursionError) as error:  # a number of too many digits is another ValueError
        raise ExportError(f"{path} has ttl metadata that can't be read: a value isn't JSON; {AGAIN}.") from error
    try:
        return contract_from_json(own, where=str(path), remedy=AGAIN)
    except RunFolderError as error:
        raise ExportError(f"{error}.") from error


def read_contract(path: str | Path) -> Contract:
    """The contract of an exported file, without running it, once the file was found to be whole.

    Raises:
        ExportError: the file isn't there, is damaged, or has no contract that can be trusted.
    """
    return from_properties(check_digests(Path(path)), Path(path))
