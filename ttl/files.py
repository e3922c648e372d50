"""Files that are under their name whole or not at all: one rule for temporary names, and what sweeps them away."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

SUFFIX = ".part"
STALE_SECONDS = 24 * 3600.0
"""After that nobody writes any more: a process of the same number, or one of another machine, isn't asked for ever."""


def provisional_name(path: Path) -> Path:
    """What `path` is called while it is written: `.NAME.PID.RANDOM.part`, in the same folder."""
    return path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}{SUFFIX}")


@contextmanager
def provisional(path: Path) -> Iterator[Path]:
    """A name in the same folder to write a file to: renamed to `path` at the end, gone after an error.

    What stood under `path` stays until then. What was written is on the disk before the new name is: after a power cut
    there is the old content or the new one. A missing folder is made.

    Raises:
        OSError: the file can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = provisional_name(path)
    try:
        yield part
        _flush(part)
        os.replace(part, path)
        _flush(path.parent)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def provisional_folder(path: Path) -> Iterator[Path]:
    """The same for a folder with all that is written into it; what stood under `path` is replaced.

    Raises:
        OSError: it can't be written.
    """
    part = provisional_name(path)
    try:
        part.mkdir(parents=True)
        yield part
        for file in part.rglob("*"):
            _flush(file)
        _flush(part)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(part, path)
        _flush(path.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all; bytes of names that aren't UTF-8 come back as they were.

    Raises:
        OSError: it can't be written.
    """
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: it can't be written.
    """
    with provisional(path) as part:
        part.write_bytes(content)


def sweep(folder: Path, *, held: bool) -> None:
    """Remove what processes that are gone left half-written in a folder, not in those below it; it may be missing.

    `held` is whether this process alone writes there, so that no other can be at work.
    """
    for part in folder.glob(f".*{SUFFIX}"):
        if held or _is_abandoned(part):
            with suppress(OSError):
                shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_abandoned(part: Path) -> bool:
    """Whether the process that its name tells of is gone, or so much time went by that it must be."""
    number = part.name.removesuffix(SUFFIX).split(".")[-2:-1]
    with suppress(OSError):
        if time() - part.stat().st_mtime > STALE_SECONDS:
            return True
    return bool(number) and number[0].isdigit() and not _is_alive(int(number[0]))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:  # else it is somebody else's
        return not isinstance(error, ProcessLookupError)
    return True


def _flush(path: Path) -> None:
    """Have the disk hold what was written; a file system that can't be asked isn't."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
