"""One epoch of a fine-tune: a row of its learning curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Any

from pydantic_core import CoreSchema, core_schema

PREFIX, OF_HEADS = "val_", "_of_heads"
PLAIN = ("epoch", "phase", "lr", "train_loss", "val_loss", "images_per_second", "seconds")


@dataclass(frozen=True)
class Epoch:
    """A row of the learning curve; in JSON a flat object: `val_auprc`, `val_auprc_of_heads`.

    Attributes:
        epoch: counted from 1 through all phases.
        phase: what trained.
        lr: learning rate.
        train_loss: mean over the epoch's samples.
        val_loss: on the validation images; of several heads their mean, as of the metrics.
        val: metric -> value on the validation images; NaN where undefined.
        of_heads: metric -> each head's value, where there are several.
        images_per_second: of training alone; of a segmentation, crops.
        seconds: of the whole epoch.
    """

    epoch: int
    phase: str
    lr: float
    train_loss: float
    val_loss: float
    val: Mapping[str, float] = field(default_factory=dict)
    of_heads: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    images_per_second: float = nan
    seconds: float = nan

    def to_json(self) -> dict[str, Any]:
        """The flat row; NaN as None."""
        head = {name: getattr(self, name) for name in PLAIN[:5]}
        values = {f"{PREFIX}{metric}": value for metric, value in self.val.items()}
        heads = {f"{PREFIX}{metric}{OF_HEADS}": [*map(_plain, row)] for metric, row in self.of_heads.items()}
        tail = {name: getattr(self, name) for name in PLAIN[5:]}
        return (
            {name: _plain(value) for name, value in {**head, **values}.items()}
            | heads
            | {name: _plain(value) for name, value in tail.items()}
        )

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Epoch:
        """What `to_json` gave.

        Raises:
            ValueError: it isn't that.
        """
        try:
            plain = {name: row[name] for name in PLAIN}
            measured = {name: value for name, value in row.items() if name.startswith(PREFIX) and name not in PLAIN}
            heads = {
                k.removeprefix(PREFIX).removesuffix(OF_HEADS): v for k, v in measured.items() if k.endswith(OF_HEADS)
            }
            return cls(
                **{name: nan if value is None else value for name, value in plain.items()},
                val={k.removeprefix(PREFIX): _number(v) for k, v in measured.items() if not k.endswith(OF_HEADS)},
                of_heads={metric: tuple(map(_number, values)) for metric, values in heads.items()},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"an epoch lacks {error}, or it isn't a number") from error

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """In files it is the flat row."""
        return core_schema.no_info_plain_validator_function(
            cls.from_json, serialization=core_schema.plain_serializer_function_ser_schema(cls.to_json)
        )


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value


def _number(value: Any) -> float:
    return nan if value is None else float(value)
