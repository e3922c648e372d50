"""What a trial is run in: the setting, the decoded images, and the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ttl.data import Task
from ttl.data.decoded import Split, TrainingImages
from ttl.data.folds import fold_splits, folds_of, pooled_splits
from ttl.data.modality.normalise import Normalise
from ttl.data.modality.resizing import Resizing
from ttl.data.task import Labels
from ttl.run.setting import RunSetting
from ttl.study.folder import CACHE, Study


class Decoding:
    """Decodes the splits of a task to a network's input; keeps them in `cache_dir`, or else in memory."""

    def __init__(self, task: Task, resizing: Resizing, cache_dir: Path | None) -> None:
        self.task, self.resizing, self.cache_dir = task, resizing, cache_dir
        self._splits: dict[str, Split] = {}

    def split(self, name: str) -> Split:
        """`train`, `val` or `test`, as it is learned from.

        Raises:
            DataError: an image can't be read any more, or the cache can't be written.
        """
        if name not in self._splits:
            self._splits[name] = self.task.kind.decode(
                self.task.splits[name],
                resizing=self.resizing,
                cache_dir=self.cache_dir,
                key=self.task.fingerprint,
            )
        return self._splits[name]

    def all(self) -> dict[str, Split]:
        """Every split by name: decodes what wasn't yet."""
        return {name: self.split(name) for name in self.task.splits}


class Decoded(Protocol):
    """Decoded splits."""

    def split(self, name: str) -> Split:
        """`train`, `val` or `test`; errors as of `Decoding.split`."""

    def all(self) -> dict[str, Split]:
        """Every split by name."""


class Pooled:
    """Train and val of decoded splits together, in the place of both; or one fold of them as val, the rest as train."""

    def __init__(self, images: Decoded, fold: int | None = None, of: Labels | None = None) -> None:
        self.images, self.fold, self.of = images, fold, of
        self._splits: dict[str, Split] = {}

    def split(self, name: str) -> Split:
        """See `Decoded`."""
        return self.all()[name]

    def all(self) -> dict[str, Split]:
        """See `Decoded`."""
        if not self._splits:
            splits = self.images.all()
            made = pooled_splits(splits) if self.fold is None or self.of is None else None
            self._splits = made or fold_splits(splits, self.fold or 0, np.asarray(self.of))
        return self._splits


@dataclass(frozen=True, eq=False)
class RunContext:
    """Everything that fine-tunes, evidence and delivery share."""

    setting: RunSetting
    images: Decoded
    study: Study

    def of_fold(self, fold: int | None) -> RunContext:
        """The same, to leave a fold out."""
        setting = self.setting.of_fold(fold)
        if setting is self.setting or setting.config.folds is None:
            return self
        of = folds_of(self.setting.task.train, setting.config.folds, setting.config.seed)
        return RunContext(setting, Pooled(self.images, fold, of), self.study)

    @property
    def normalise(self) -> Normalise:
        """Makes the network's input of pixels, on the run's device."""
        spec = self.setting.network.spec
        return Normalise(spec.mean, spec.std, self.setting.device)

    def training_images(self) -> TrainingImages:
        """The training images, unaugmented; decodes them."""
        setting = self.setting
        return TrainingImages(setting.task, self.images.split("train"), self.normalise, setting.config.seed)


def context_of(setting: RunSetting, study: Study, *, cache: bool = True) -> RunContext:
    """The context of a run in a folder, where decoded images are kept unless `cache` is false."""
    cache_dir: Path | None = study.folder / CACHE if cache else None
    images = Decoding(setting.data, setting.resizing, cache_dir)
    return RunContext(setting, Pooled(images) if setting.drawn else images, study)
