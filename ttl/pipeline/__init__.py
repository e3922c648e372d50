"""The whole job wired together: the only place that knows every step."""

from ttl.pipeline.delivery.files import export
from ttl.pipeline.events import (
    BatchStarted,
    Due,
    EpochDone,
    Event,
    ImagesShown,
    Note,
    TrialDone,
    TrialFailed,
    TrialPaused,
    TrialStarted,
    Watch,
)
from ttl.pipeline.flow import Finished, Planned, finetune, plan, rebuild_report, run
from ttl.pipeline.library import SearchResult, search

__all__ = [
    "BatchStarted",
    "Due",
    "EpochDone",
    "Event",
    "Finished",
    "ImagesShown",
    "Note",
    "Planned",
    "SearchResult",
    "TrialDone",
    "TrialFailed",
    "TrialPaused",
    "TrialStarted",
    "Watch",
    "export",
    "finetune",
    "plan",
    "rebuild_report",
    "run",
    "search",
]
