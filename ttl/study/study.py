"""The study: a run folder with its trials, safe against interruption and against a second process."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ttl import processes
from ttl.errors import RunFolderError
from ttl.files import sweep

TRIAL = "trial.json"
RUN = "run.json"
CACHE = "cache"


def trial_id(definition: Mapping[str, Any]) -> str:
    """A name for a trial that depends on nothing but what defines it: 12 hexadecimal digits."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Study:
    """A run folder. Of several processes that were launched together the main one writes; the others only read.

    Args:
        folder: made when something is first written into it.
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
            lock = (self.folder / ".lock").open("a+b", buffering=0)
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
            try:
                lock.truncate(0)
                lock.write(str(os.getpid()).encode())
                self._sweep()
            except OSError as error:
                raise self._unwritable(error) from error
            try:
                yield
            finally:
                # What workers of this process were writing when they were killed.
                with suppress(OSError):
                    self._sweep()

    def read(self, name: str) -> dict[str, Any] | None:
        """A JSON file of the folder; None where there is none.

        Raises:
            RunFolderError: it can't be read as JSON.
        """
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(content, dict):
                raise ValueError("it holds no JSON object")
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path} can't be read ({error}): remove it, or name another folder") from error
        return content

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file whole or not at all.

        Raises:
            RunFolderError: no room, or no right to write.
        """
        if not processes.is_main():
            return
        path = self.folder / name
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def trial(self, identity: str) -> dict[str, Any] | None:
        """The record of a finished trial; None where it hasn't been run."""
        return self.read(f"trials/{identity}/{TRIAL}")

    def trial_folder(self, identity: str) -> Path:
        """Where a trial's files are."""
        return self.folder / "trials" / identity

    def checkpoint(self, identity: str) -> Path:
        """Where a trial under way keeps its state; `add` removes it."""
        return self.folder / "trials" / f".{identity}.state"

    def add(self, identity: str, record: Mapping[str, Any], write_model: Callable[[Path], None]) -> None:
        """Put a finished trial on disk: under a temporary name first, so that it is there whole or not at all.

        Args:
            identity: from `trial_id`.
            record: what goes into trial.json.
            write_model: writes the model's files into the folder it is given.

        Raises:
            RunFolderError: no room, or no right to write.
        """
        if not processes.is_main():
            return
        place = self.trial_folder(identity)
        part = place.with_name(f".{identity}.{os.getpid()}.part")
        try:
            part.mkdir(parents=True, exist_ok=True)
            write_model(part)
            (part / TRIAL).write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
            # What is left of a trial whose record is gone can't be told from anything: it is run anew.
            shutil.rmtree(place, ignore_errors=True)
            os.replace(part, place)
            self.checkpoint(identity).unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what an interrupted process left half-written."""
        for part in (*self.folder.glob(".*.part"), *self.folder.glob("trials/.*.part")):
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)
        sweep(self.folder / CACHE, held=False)

    def _unwritable(self, error: OSError) -> RunFolderError:
        return RunFolderError(
            f"The run folder {self.folder} can't be written ({error.strerror or error}): "
            "make room and give the same command again, what was computed is kept"
        )
