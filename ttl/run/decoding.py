"""The decoded images of a task, each split when it is first asked for."""

from __future__ import annotations

from pathlib import Path

from ttl.data import Task
from ttl.data.decoded import Split
from ttl.words.sides import Sides


class Decoding:
    """Decodes the splits of a task.

    Args:
        task: the data.
        sides: of the network's input, in pixels.
        interpolation: how images are resized.
        cache_dir: where decoded images are kept; None keeps them in memory.
    """

    def __init__(self, task: Task, sides: Sides, interpolation: str, cache_dir: Path | None) -> None:
        self.task, self.sides = task, sides
        self.interpolation, self.cache_dir = interpolation, cache_dir
        self._splits: dict[str, Split] = {}

    def split(self, name: str) -> Split:
        """`train`, `val` or `test`, as it is learned from.

        Raises:
            DataError: an image can't be read any more, or the cache can't be written.
        """
        if name not in self._splits:
            self._splits[name] = self.task.kind.decode(
                self.task.splits[name],
                sides=self.sides,
                interpolation=self.interpolation,
                cache_dir=self.cache_dir,
                key=self.task.fingerprint,
            )
        return self._splits[name]

    def all(self) -> dict[str, Split]:
        """Every split by name: decodes what wasn't yet."""
        return {name: self.split(name) for name in self.task.splits}
