"""The study: a run folder with its trials, safe against interruption, damage and a second process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from ttl import files, processes, typed
from ttl.errors import DamagedError, RunFolderError
from ttl.study.record import TrialRecord
from ttl.study.run_record import RunRecord

TRIAL, RUN = "trial.json", "run.json"
TRIALS, CACHE, LOCK = "trials", "cache", ".lock"
T = TypeVar("T")


class Study:
    """A run folder, made when something is first written into it.

    Of several processes that were launched together the main one writes; the others only read. What is read back is
    checked against its type and its digest; what doesn't fit is named in one sentence.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for this process, or, of several that were launched together, for the main one.

        Raises:
            RunFolderError: another process holds it, or it can't be written.
        """
        if not processes.is_main():
            yield
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Kept open, not unlinked: the lock is the file's, and a new file would be another lock. Unbuffered:
            # closing would write again what a full disk refused, and raise in place of the sentence.
            lock = (self.folder / LOCK).open("a+b", buffering=0)
        except OSError as error:
            raise RunFolderError(
                f"The run folder {self.folder} can't be written ({error.strerror}): name another with --out"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.seek(0)
                raise RunFolderError(
                    f"The run folder {self.folder} is in use by process {lock.read().decode().strip() or 'unknown'}: "
                    "wait for it, or name another with --out"
                ) from error
            with self._writing():
                lock.truncate(0)
                lock.write(str(os.getpid()).encode())
                self._sweep()
            try:
                yield
            finally:
                # What workers of this process were writing when they were killed.
                with suppress(OSError):
                    self._sweep()

    def read(self, kind: type[T], name: str) -> T | None:
        """What a JSON file of the folder holds; None where there is none.

        Raises:
            RunFolderError: it is damaged, or not of that type.
        """
        return typed.read(kind, self.folder / name)

    def write(self, name: str, value: object) -> None:
        """Write a frozen dataclass as a JSON file, whole or not at all.

        Raises:
            RunFolderError: no room, or no right to write.
        """
        if processes.is_main():
            with self._writing():
                typed.write(self.folder / name, value)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, whole or not at all.

        Raises:
            RunFolderError: no room, or no right to write.
        """
        if processes.is_main():
            with self._writing():
                files.write_text(self.folder / name, text)

    def run(self) -> RunRecord | None:
        """What run.json holds; None in a new folder.

        Raises:
            RunFolderError: it is damaged.
        """
        return self.read(RunRecord, RUN)

    def trial(self, identity: str) -> TrialRecord | None:
        """The record of a finished trial; None where it hasn't been run.

        Raises:
            RunFolderError: it is of another trial, of another run folder, or (a `DamagedError`) damaged.
        """
        name = f"{TRIALS}/{identity}/{TRIAL}"
        record = self.read(TrialRecord, name)
        if record is None:
            return None
        if record.id != identity:
            raise RunFolderError(self._untrusted(name, f"it is of the trial {record.id}"))
        run = self.run() if record.run else None
        if run is not None and run.id and run.id != record.run:
            raise RunFolderError(self._untrusted(name, "it was made in another run folder"))
        if broken := record.damaged():
            why = f"its predictions of {' and '.join(broken)} aren't those that were written"
            raise DamagedError(self._untrusted(name, why))
        return record

    def trial_folder(self, identity: str) -> Path:
        """Where a trial's files are."""
        return self.folder / TRIALS / identity

    def weights(self, record: TrialRecord, name: str) -> Path:
        """A trial's file of weights, its bytes checked.

        Raises:
            OSError: it can't be read.
            DamagedError: its bytes aren't those that were written.
        """
        path = self.trial_folder(record.id) / name
        if record.weights_sha256 not in ("", files.sha256(path)):
            why = "its bytes aren't those that were written"
            raise DamagedError(self._untrusted(f"{TRIALS}/{record.id}/{name}", why))
        return path

    def checkpoint(self, identity: str) -> Path:
        """Where a trial under way keeps its state; `add` removes it."""
        return self.folder / TRIALS / f".{identity}.state"

    def add(self, record: TrialRecord, write_model: Callable[[Path], Path]) -> TrialRecord:
        """Put a finished trial on disk: under a temporary name first, so that it is there whole or not at all.

        `write_model` writes the model's files into the folder it is given, and names that of the weights. Back comes
        the record with its digests.

        Raises:
            RunFolderError: no room, or no right to write.
        """
        if not processes.is_main():
            return record
        with self._writing():
            with files.provisional_folder(self.trial_folder(record.id)) as part:
                sealed = record.sealed(files.sha256(write_model(part)))
                typed.write(part / TRIAL, sealed)
            self.checkpoint(record.id).unlink(missing_ok=True)
        return sealed

    def _sweep(self) -> None:
        """Remove what an interrupted process left half-written."""
        for folder in (self.folder, self.folder / TRIALS, self.folder / CACHE):
            files.sweep(folder, held=True)

    def _untrusted(self, name: str, why: str) -> str:
        return f"{self.folder / name} can't be trusted: {why}; remove the folder of that trial"

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunFolderError(
                f"The run folder {self.folder} can't be written ({error.strerror or error}): "
                "make room and give the same command again, what was computed is kept"
            ) from error
