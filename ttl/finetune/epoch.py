"""An epoch of a fine-tune: a row of its learning curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ttl.typed import Figure

PREFIX, OF_HEADS = "val_", "_of_heads"


@dataclass(frozen=True)
class Epoch:
    """One epoch. In files it is a flat row: `val_auprc`, `val_auprc_of_heads` beside `epoch`, `lr`, ...

    Attributes:
        epoch: its number, from 1, over all phases.
        phase: what trained in it.
        lr: the learning rate of its first step.
        train_loss: mean over the samples, while the weights moved.
        val_loss: of the validation images; of several heads the mean.
        val: headline metric of the kind of task -> its value on the validation images; of several heads the mean.
        of_heads: the primary metric -> its value for each head; nothing where there is one head.
        images_per_second: of training alone; of a segmentation, crops.
        seconds: validation included.
    """

    epoch: int
    phase: str
    lr: float
    train_loss: Figure
    val_loss: Figure
    val: Mapping[str, Figure]
    of_heads: Mapping[str, tuple[Figure, ...]] = field(default_factory=dict)
    images_per_second: Figure = field(kw_only=True)
    seconds: float = field(kw_only=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The flat row to its fields and back."""
        return core_schema.no_info_before_validator_function(
            _nested,
            handler(source),
            serialization=core_schema.wrap_serializer_function_ser_schema(
                lambda epoch, inner: _flat(inner(epoch)), schema=handler(source)
            ),
        )


def _nested(row: Any) -> Any:
    """The values that start with `val_` put together; what is no object is left for the check that follows."""
    if not isinstance(row, Mapping):
        return row
    own = {field.name for field in fields(Epoch)}
    measured = {name: value for name, value in row.items() if name not in own and name.startswith(PREFIX)}
    heads = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in measured.items()
        if name.endswith(OF_HEADS)
    }
    return {
        **{name: value for name, value in row.items() if name not in measured},
        "val": {name.removeprefix(PREFIX): value for name, value in measured.items() if name not in heads},
        "of_heads": {name.removeprefix(PREFIX).removesuffix(OF_HEADS): value for name, value in heads.items()},
    }


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    heads, val = values.pop("of_heads"), values.pop("val")
    return {
        **values,
        **{f"{PREFIX}{metric}": value for metric, value in val.items()},
        **{f"{PREFIX}{metric}{OF_HEADS}": value for metric, value in heads.items()},
    }
