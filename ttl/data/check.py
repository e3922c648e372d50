"""What checking images tells, whoever names them: a folder or a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ttl.data.dicom import Window
from ttl.data.image import Facts, check_image, quiet_readers
from ttl.data.pool import Item, Result, in_threads
from ttl.words.counts import counted, listed

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
    return check_each(partial(check_image, window=window), paths, on_progress)


def check_each(check: Callable[[Item], Result], items: Sequence[Item], on_progress: Progress | None) -> list[Result]:
    """What `check` tells of each item, computed in threads."""
    checked: list[Result] = []
    with quiet_readers():
        for told in in_threads(check, items):
            checked.append(told)
            if on_progress:
                on_progress(len(checked), len(items))
    return checked


def skipped(bad: dict[str, str]) -> list[str]:
    """A note on images that were left out; none if there are none."""
    return [f"{counted(len(bad), 'unreadable image')} skipped: {reasons(bad)}."] if bad else []


def reasons(bad: dict[str, str]) -> str:
    """The first of the images that can't be read, with the reasons."""
    return listed(f"{name} ({reason})" for name, reason in bad.items())


def left_aside(root: Path, ignored: Sequence[Path], repeated: Sequence[Path], what: str) -> list[str]:
    """Notes on what lies under `root` and isn't read: paths that are `what`, and links that are not followed."""
    notes = []
    if ignored:
        names = listed(path.relative_to(root).as_posix() for path in ignored)
        notes.append(f"{counted(len(ignored), 'path')} ignored, {what}: {names}.")
    if repeated:
        links = listed(path.relative_to(root).as_posix() for path in repeated)
        notes.append(f"{counted(len(repeated), 'link')} to a folder that is read anyway, not followed: {links}.")
    return notes


def patients(facts: Sequence[Facts]) -> tuple[str, ...] | None:
    """Who each image is of, where all say so; one name for all is what anonymising leaves and says nothing."""
    named = tuple(fact.patient for fact in facts)
    return named if all(named) and len(set(named)) > 1 else None


def of_patients(facts: Sequence[Facts]) -> list[str]:
    """A note where the headers tell the groups."""
    named = patients(facts)
    return [] if named is None else [f"Grouped by the headers' PatientID: {counted(len(set(named)), 'patient')}."]


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
