"""The whole job wired together: the only place that knows every step."""

from ttl.run.events import (
    BatchStarted,
    Due,
    EpochDone,
    EpochProgress,
    Event,
    Note,
    TrialDone,
    TrialFailed,
    TrialPaused,
    TrialStarted,
    Watch,
)
from ttl.run.exporting_flow import export
from ttl.run.flow import Finished, Planned, finetune, plan, rebuild_report, run
from ttl.run.library import SearchResult, search

__all__ = [
    "BatchStarted",
    "Due",
    "EpochDone",
    "EpochProgress",
    "Event",
    "Finished",
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
