"""What `ttl predict` drew into a folder: so that it overwrites nothing else, and doesn't read its masks as images."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ttl.files import sha256

RECORD = ".ttl-predict.sha256"
"""In the folder that masks are drawn into: a line a file, as `sha256sum` writes them; a later line holds."""


class DrawnRecord:
    """The files in one folder that ttl drew, by their digests.

    A file that somebody changed since isn't ttl's any more.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._digests = folder, dict[str, str]()
        try:
            text = (folder / RECORD).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return
        for line in text.splitlines():
            digest, _, name = line.partition("  ")
            self._digests[name] = digest

    def names(self, path: Path) -> bool:
        """Whether such a file was drawn at this place, changed since or not."""
        return self._name(path) in self._digests

    def owns(self, path: Path) -> bool:
        """Whether the file is as ttl drew it.

        Raises:
            OSError: it can't be read.
        """
        return self.names(path) and self._digests[self._name(path)] == sha256(path)

    def enter(self, path: Path, digest: str) -> None:
        """Enter a file that is about to be written; `digest` is the SHA-256 (hex) of its content.

        Raises:
            OSError: the record can't be written.
        """
        name = self._name(path)
        if self._digests.get(name) == digest:
            return
        with (self.folder / RECORD).open("a", encoding="utf-8", errors="surrogateescape") as record:
            record.write(f"{digest}  {name}\n")
        self._digests[name] = digest

    def _name(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.folder)).as_posix()


def drawn_by_ttl(images: Iterable[Path]) -> frozenset[Path]:
    """Those of the images that ttl drew, by the records in the folders above them; also those changed since."""
    record_of = cache(lambda folder: DrawnRecord(folder) if (folder / RECORD).is_file() else None)
    own = set()
    for path in images:
        # Masks lie at least one folder below the record: `masks/`, `overlays/`.
        for folder in Path(os.path.abspath(path)).parents[1:]:
            record = record_of(folder)
            if record is not None and record.names(path):
                own.add(path)
                break
    return frozenset(own)
