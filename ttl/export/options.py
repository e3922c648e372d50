"""How a model is exported: one frozen value, read from a TOML file and from flags alike."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator

from ttl.export.targets import TargetName

Precisions = tuple[TargetName, ...]


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class ExportConfig(BaseModel):
    """What `ttl export` is told.

    Attributes:
        precision: of the weights; a file each.
        embed_preprocessing: whether the files take decoded images of any size and give probabilities.
        program: whether a `torch.export` program is written, too.
        opset: version of the ONNX operators; None is the exporter's choice.
        weight_bits: of int8: 7 where 16-bit sums would overflow (x86 without VNNI), else 8.
        calibration_images: training images that int8 is calibrated on, at most.
        margin: the loss in the metric, against fp32, that doesn't matter; None is the run's.
        max_changed: the share of test images that fp16 and int8 may decide otherwise than fp32. A metric of ranks, as
            AUPRC is, doesn't see a file that shifts all probabilities.
        licence: the terms that the files stand under, for their metadata and cards; None says that they aren't known.
        devices: beside the CPU, that the files are meant for: they are run there, where this machine has them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    precision: Annotated[Precisions, Strict(False), BeforeValidator(_several), Field(min_length=1)] = ("fp32",)
    embed_preprocessing: bool = False
    program: bool = False
    opset: Annotated[int, Field(ge=7)] | None = None
    weight_bits: Literal[7, 8] = 7
    calibration_images: Annotated[int, Field(ge=1)] = 128
    margin: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_changed: Annotated[float, Field(gt=0, le=1)] = 0.05
    licence: str | None = None
    devices: Annotated[tuple[Literal["cuda"], ...], Strict(False), BeforeValidator(_several)] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.precision)) < len(self.precision):
            raise ValueError(f"precision is {', '.join(self.precision)}: name each once")
        return self
