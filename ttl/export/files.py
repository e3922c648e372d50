"""A file that is under its name whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ttl.errors import ExportError


@contextmanager
def provisional(path: Path) -> Iterator[Path]:
    """A name in the same folder to write to: renamed to `path` at the end, gone after an error.

    What stood under `path` stays until then. The provisional name is free again whatever happens, also after a
    KeyboardInterrupt.

    Raises:
        ExportError: the file can't be written.
    """
    unchecked = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unchecked
        os.replace(unchecked, path)
    except OSError as error:
        raise ExportError(f"{path} can't be written: {error.strerror or error}; free it or name another.") from error
    finally:
        with suppress(OSError):  # a folder of the path is a file: nothing was written
            unchecked.unlink(missing_ok=True)
