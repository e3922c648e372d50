"""The errors a user can meet. Each carries one sentence: what, what is wrong with it, what to do."""

from __future__ import annotations


class TTLError(Exception):
    """Base of every error that a user can cause; its text is all a user needs to see."""


class UsageError(TTLError):
    """An option has a value that makes no sense here (exit status 2)."""


class DataError(TTLError):
    """The data can't be used as it is."""


class ModelError(TTLError):
    """No such model, or a model that can't be walked."""


class WeightsError(TTLError):
    """Weights that can't be had, read, or fitted into the model."""


class PointError(TTLError):
    """A truncation point that doesn't exist in this model."""


class TrainingError(TTLError):
    """Fine-tuning failed: a NaN loss, no such device, out of memory."""


class ExportError(TTLError):
    """The exported file can't be written, or doesn't compute what the model computes."""


class GateError(ExportError):
    """A file was exported and didn't pass a check, so it wasn't kept."""


class WorkerError(TTLError):
    """A process that runs fine-tunes ended again and again, or can't be had."""


class RunFolderError(TTLError):
    """A run folder that disagrees with the command, is in use, or is incomplete."""


class DamagedError(RunFolderError):
    """A file of a run folder whose bytes aren't those that were written."""


class LatencyError(TTLError):
    """A latency can't be measured: no such device, or a process that timed models ended."""
