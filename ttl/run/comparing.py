"""Two fine-tunes on the same images: is one not inferior to the other?"""

from __future__ import annotations

from ttl.run.setting import RunSetting
from ttl.stats import NonInferiority, non_inferior
from ttl.study.record import TrialRecord


def compared(setting: RunSetting, one: TrialRecord, other: TrialRecord, split: str) -> NonInferiority:
    """`one` minus `other`, on the same images (patients) of a split resampled together."""
    samples = setting.task.splits[split]
    return non_inferior(
        setting.metric,
        setting.kind,
        samples.labels,
        one.predictions[split],
        other.predictions[split],
        margin=setting.margin,
        groups=samples.groups,
        seed=setting.config.seed,
    )
