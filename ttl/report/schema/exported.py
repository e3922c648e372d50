"""The files of a run."""

from __future__ import annotations

from dataclasses import dataclass

from ttl.deliver.file_record import FileRecord


@dataclass(frozen=True, kw_only=True)
class DeliveredFiles(FileRecord):
    """The chosen network's file, `path` as `file`, and the whole one's beside it."""

    path: str
    full_path: str
    full_size_bytes: int | None
    full_parity_max_abs: float | None
