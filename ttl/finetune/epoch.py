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
    """One epoch. In files it is a flat row: `val_auprc`, `val_auprc_of_heads` beside `epoch`, `lr`, ..."""

    epoch: int  # its number, from 1, over all phases
    phase: str
    lr: float  # the learning rate of its first step
    train_loss: Figure  # mean over the samples, while the weights moved
    val_loss: Figure  # of the validation images; of several heads the mean
    # headline metric of the kind of task -> its value on the validation images; of several heads the mean
    val: Mapping[str, Figure]
    # the primary metric -> its value for each head; nothing where there is one head
    of_heads: Mapping[str, tuple[Figure, ...]] = field(default_factory=dict)
    images_per_second: Figure = field(kw_only=True)  # of training alone; of a segmentation, crops
    seconds: float = field(kw_only=True)  # validation included

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The flat row to its fields and back."""
        flat = core_schema.wrap_serializer_function_ser_schema(
            lambda epoch, inner: _flat(inner(epoch)), schema=handler(source)
        )
        return core_schema.no_info_before_validator_function(_nested, handler(source), serialization=flat)


def _nested(row: Any) -> Any:
    """The metrics of a flat row put together; what is no object is left for the check that follows."""
    if not isinstance(row, Mapping):
        return row
    own = {field.name for field in fields(Epoch)}
    rest, val, heads = dict[str, Any](), dict[str, Any](), dict[str, Any]()
    for key, value in row.items():
        metric = key.removeprefix(PREFIX)
        if key in own or metric == key:
            rest[key] = value
        elif metric.endswith(OF_HEADS):
            heads[metric.removesuffix(OF_HEADS)] = tuple(value) if isinstance(value, list) else value
        else:
            val[metric] = value
    return {**rest, "val": val, "of_heads": heads}


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    row = dict[str, Any]()
    for name, value in values.items():
        if name in ("val", "of_heads"):
            suffix = OF_HEADS if name == "of_heads" else ""
            row |= {f"{PREFIX}{metric}{suffix}": figure for metric, figure in value.items()}
        else:
            row[name] = value
    return row
