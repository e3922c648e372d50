"""What a trial is run in: the setting, the decoded images, and the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ttl.data.modality.normalise import Normalise
from ttl.data.training_images import TrainingImages
from ttl.run.decoding import Decoding
from ttl.run.setting import RunSetting
from ttl.study.folder import CACHE, Study


@dataclass(frozen=True, eq=False)
class RunContext:
    """Everything that fine-tunes, evidence and delivery share.

    Attributes:
        setting: the values.
        images: decodes the splits when they are first asked for.
        study: the run folder.
    """

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
    """The context of a run in a folder.

    Args:
        setting: of the run.
        study: the run folder.
        cache: whether decoded images are kept in it.
    """
    cache_dir: Path | None = study.folder / CACHE if cache else None
    images = Decoding(setting.task, setting.sides, setting.network.spec.interpolation, cache_dir)
    return RunContext(setting, images, study)
