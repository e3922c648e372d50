"""The whole job wired together: the only place that knows every step."""

from ttl.pipeline.events import EpochDone, Event, ImagesShown, Note, TrialDone, TrialStarted, TrialStopped, Watch
from ttl.pipeline.flow import Finished, Planned, export, finetune, plan, rebuild_report, run
from ttl.pipeline.library import SearchResult, search

__all__ = [
    "EpochDone",
    "Event",
    "Finished",
    "ImagesShown",
    "Note",
    "Planned",
    "SearchResult",
    "TrialDone",
    "TrialStarted",
    "TrialStopped",
    "Watch",
    "export",
    "finetune",
    "plan",
    "rebuild_report",
    "run",
    "search",
]
