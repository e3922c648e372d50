"""How a model is exported: one frozen value, read from a TOML file and from flags alike."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, Strict, model_validator

from ttl.export.targets import TargetName
from ttl.options.option import Option, Options
from ttl.options.values import Count, Part, Share, several

Precisions = Annotated[tuple[TargetName, ...], Strict(False), BeforeValidator(several), Field(min_length=1)]
Devices = Annotated[tuple[Literal["cuda"], ...], Strict(False), BeforeValidator(several)]
Opset = Annotated[int, Field(ge=7)]
NARROW = {"7": "for x86 without VNNI, where 16-bit sums would overflow"}


class ExportConfig(Options):
    """What `ttl export` may be asked for."""

    precision: Annotated[Precisions, Option("Precisions of the weights, a file each", "files")] = ("fp32",)
    embed_preprocessing: Annotated[
        bool, Option("The file takes decoded images of any size, gives probabilities", "files")
    ] = False
    program: Annotated[bool, Option("A torch.export program (.pt2), too", "files")] = False
    opset: Annotated[Opset | None, Option("Version of the ONNX operators", "files", unset="the exporter's choice")] = (
        None
    )
    weight_bits: Annotated[
        Literal[7, 8], Option("Bits of int8 weights", "files", choices=NARROW, only_in_toml=True)
    ] = 7
    calibration_images: Annotated[
        Count, Option("Training images that int8 is calibrated on, at most", "files", only_in_toml=True)
    ] = 128
    licence: Annotated[
        str | None, Option("Terms that the files stand under, for their metadata and model cards", "files")
    ] = None
    devices: Annotated[
        Devices,
        Option(
            "Devices beside the CPU that the files are run on, where this machine has them", "files", only_in_toml=True
        ),
    ] = ()

    # A metric of ranks, as AUPRC is, doesn't see a file that shifts all probabilities: hence `max_changed`.
    margin: Annotated[
        Share | None, Option("Loss in the metric, against fp32, that doesn't matter", "judging", unset="the run's")
    ] = None
    max_changed: Annotated[
        Part,
        Option(
            "Share of the test images that fp16 and int8 may decide otherwise than fp32; more has to be shown",
            "judging",
        ),
    ] = 0.05

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.precision)) < len(self.precision):
            raise ValueError(f"precision is {', '.join(self.precision)}: name each once")
        return self
