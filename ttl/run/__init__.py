"""The whole job wired together: the only place that knows every step."""

from ttl.run.checking import FileState, check
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
from ttl.run.flow import Finished, Tuned, finetune, run
from ttl.run.library import SearchResult, search
from ttl.run.planning import Planned, plan

__all__ = [
    "BatchStarted",
    "Due",
    "EpochDone",
    "EpochProgress",
    "Event",
    "FileState",
    "Finished",
    "Note",
    "Planned",
    "SearchResult",
    "TrialDone",
    "TrialFailed",
    "TrialPaused",
    "TrialStarted",
    "Tuned",
    "Watch",
    "check",
    "export",
    "finetune",
    "plan",
    "run",
    "search",
]
