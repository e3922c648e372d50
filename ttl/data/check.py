"""What checking images tells, whoever names them: a folder or a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ttl.data.dicom import Window
from ttl.data.image import Facts, check_image, quiet_readers
from ttl.data.pool import in_threads
from ttl.data.words import counted, listed

Progress = Callable[[int, int], None]


def check_images(
    paths: Sequence[Path], on_progress: Progress | None, window: Window | None = None
) -> list[Facts | str]:
    """What is known of each image, or why it can't be read.

    Args:
        paths: of the images.
        window: of the values of DICOM files.
        on_progress: called with how many are checked, and of how many.
    """
    checked: list[Facts | str] = []
    with quiet_readers():
        for told in in_threads(partial(check_image, window=window), paths):
            checked.append(told)
            if on_progress:
                on_progress(len(checked), len(paths))
    return checked


def skipped(bad: dict[str, str]) -> list[str]:
    """A note on images that were left out; none if there are none."""
    return [f"{counted(len(bad), 'unreadable image')} skipped: {reasons(bad)}."] if bad else []


def reasons(bad: dict[str, str]) -> str:
    """The first of the images that can't be read, with the reasons."""
    return listed(f"{name} ({reason})" for name, reason in bad.items())


def oddities(facts: Sequence[Facts], window: Window | None = None) -> list[str]:
    """Notes on images that were converted."""
    notes = []
    if deep := sum(fact.deep for fact in facts):
        notes.append(
            f"{counted(deep, 'image')} with more than 8 bits a pixel: "
            "stretched from the image's own darkest..brightest pixel to 0..255."
        )
    if windowed := sum(fact.windowed for fact in facts):
        whose = "the window given" if window else "the header's window"
        notes.append(f"{counted(windowed, 'DICOM image')} shown through {whose}.")
    if animated := sum(fact.animated for fact in facts):
        notes.append(f"{counted(animated, 'image')} with several frames: the first is used.")
    return notes
