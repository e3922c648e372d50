"""An epoch of a fine-tune: a row of its learning curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeAlias

from ttl import typed
from ttl.errors import RunFolderError
from ttl.typed import Figure

FIRST, OF_HEADS = "val_", "_of_heads"
Row: TypeAlias = "dict[str, str | int | float | list[float | None] | None]"


@dataclass(frozen=True)
class Epoch:
    """One epoch.

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
    of_heads: Mapping[str, tuple[Figure, ...]]
    images_per_second: float
    seconds: float

    def to_json(self) -> Row:
        """A flat row, as trial.json has it: `val_auprc`, `val_auprc_of_heads`; what is undefined is null."""
        row: Row = {}
        for name, value in typed.to_json(self).items():
            if name == "val":
                row |= {f"{FIRST}{metric}": figure for metric, figure in value.items()}
            elif name == "of_heads":
                row |= {f"{FIRST}{metric}{OF_HEADS}": figures for metric, figures in value.items()}
            else:
                row[name] = value
        return row

    @classmethod
    def from_json(cls, row: object, *, where: str) -> Epoch:
        """The epoch that `to_json` wrote.

        Args:
            row: JSON values.
            where: the file that they come from, for the message.

        Raises:
            RunFolderError: it isn't one; the sentence names the file and the field.
        """
        if not isinstance(row, Mapping):
            raise RunFolderError(f"{where} can't be trusted: a row of its learning curve is no object; {typed.REMEDY}")
        own = {field.name for field in fields(cls)}
        more = {name: value for name, value in row.items() if name not in own and name.startswith(FIRST)}
        nested = {
            "val": {name[len(FIRST) :]: value for name, value in more.items() if not name.endswith(OF_HEADS)},
            "of_heads": {
                name[len(FIRST) : -len(OF_HEADS)]: value for name, value in more.items() if name.endswith(OF_HEADS)
            },
        }
        return typed.from_json(cls, {**row, **nested}, where=where)
