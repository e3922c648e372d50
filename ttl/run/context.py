"""What a trial is run in: the setting, the decoded images, and the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ttl.data import Task
from ttl.data.decoded import Split, TrainingImages
from ttl.data.modality.normalise import Normalise
from ttl.run.setting import RunSetting
from ttl.study.folder import CACHE, Study
from ttl.words.sides import Sides


class Decoding:
    """Decodes the splits of a task to the sides of a network's input; keeps them in `cache_dir`, or else in memory."""

    def __init__(self, task: Task, sides: Sides, interpolation: str, cache_dir: Path | None) -> None:
        self.task, self.sides = task, sides
        self.interpolation, self.cache_dir = interpolation, cache_dir
        self._splits: dict[str, Split] = {}

    def split(self, name: str) -> Split:
        """`train`, `val` or `test`, as it is learned from.

        Raises:
            DataError: an image can't be read any more, or the cache can't be written.
        """
        if name not in self._splits:
            self._splits[name] = self.task.kind.decode(
                self.task.splits[name],
                sides=self.sides,
                interpolation=self.interpolation,
                cache_dir=self.cache_dir,
                key=self.task.fingerprint,
            )
        return self._splits[name]

    def all(self) -> dict[str, Split]:
        """Every split by name: decodes what wasn't yet."""
        return {name: self.split(name) for name in self.task.splits}


@dataclass(frozen=True, eq=False)
class RunContext:
    """Everything that fine-tunes, evidence and delivery share."""

    setting: RunSetting
    images: Decoding
    study: Study

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
    images = Decoding(setting.task, setting.sides, setting.network.spec.interpolation, cache_dir)
    return RunContext(setting, images, study)
