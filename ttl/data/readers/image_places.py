"""Where the files are that a table names, and why they aren't there."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from ttl.data.readers.table_file import Table
from ttl.data.readers.walk import has_image_name, is_hidden

MOST_SEARCHED = 50_000
"""Files under the folder that are looked through for one that isn't where the table says."""
ELSEWHERE = re.compile(r"[A-Za-z]:[\\/]|[\\/]")
WEB = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def located(table: Table, what: str) -> list[Path]:
    """The path of each image or mask, whether or not it is there: as the table names it, from its root on.

    A name that isn't an image's gets the table's suffix, where there is one. Backslashes separate folders, where no
    file has one in its name.
    """
    return [Path(_path(str(table.root), cell, table.suffix)) for cell in table.of(what) or ()]


def places(table: Table, what: str) -> list[tuple[str, Path]]:
    """Id and absolute path of each image or mask: the id is relative to the root, or the manifest's folder, in it."""
    root, folder = (os.path.abspath(place) for place in (table.root, table.path.parent))
    both = []
    for cell in table.of(what) or ():
        path = _path(root, cell, table.suffix)
        inside = next((place for place in (root, folder) if path.startswith(_within(place))), None)
        name = path[len(_within(inside)) :] if inside else _path("", cell, table.suffix)
        both.append((Path(name).as_posix() if os.path.sep != "/" else name, Path(path)))
    return both


def _within(folder: str) -> str:
    return folder if folder.endswith(os.path.sep) else folder + os.path.sep


def _path(root: str, cell: str, suffix: str) -> str:
    name = cell.removeprefix("file://")
    if suffix and not has_image_name(name):
        name += suffix if suffix[0] in "._-" else f".{suffix}"
    path = os.path.normpath(os.path.join(root, name))
    if "\\" in name and not is_there(Path(path)):
        return os.path.normpath(os.path.join(root, name.replace("\\", "/")))
    return path


def is_there(path: Path) -> bool:
    """Whether there is such a file; not where there can't be one of this name."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def remedy_for(table: Table, what: str, absent: Sequence[int]) -> str:
    """What to do about files that aren't there, by what is in the place of the first of them."""
    cell, path = (table.of(what) or ())[absent[0]], located(table, what)[absent[0]]
    if WEB.match(cell):
        return "download the images first, as these are addresses"
    for name in sorted(_names_in(path.parent)):
        stem, suffix = os.path.splitext(name)
        if name.lower() == path.name.lower():
            return f"correct the capital letters (there is {name})"
        if stem == path.name and has_image_name(name):
            return f"give --image-suffix {suffix} (there is {name})"
        if stem == path.stem and has_image_name(name):
            return f"correct the suffixes (there is {name})"
    parts = re.split(r"[\\/]", cell)[-1] if ELSEWHERE.match(cell) else os.path.relpath(path, table.root)
    return _found_below(table, parts, cell)


def _names_in(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(folder) if entry.is_file()]
    except OSError:
        return []


def _found_below(table: Table, name: str, cell: str) -> str:
    """What to do where a file of this name, or of it and a suffix, is elsewhere under the table's folder, or isn't."""
    of_elsewhere = bool(ELSEWHERE.match(cell))
    relative = "write the paths relative to one folder, and name that with --image-root"
    for path in islice(_files(table.path.parent), MOST_SEARCHED):
        for whole, suffix in ((str(path), ""), (str(path.with_suffix("")), path.suffix)):
            if not whole.endswith(os.path.sep + name) or (suffix and not has_image_name(path.name)):
                continue
            if of_elsewhere:
                return f"{relative} (there is {path})"
            also = f" --image-suffix {suffix}" if suffix else ""
            folder = shlex.quote(whole.removesuffix(os.path.sep + name))
            return f"give --image-root {folder}{also} (there is {path.name})"
    return f"{relative}, as these are of another place" if of_elsewhere else "correct them"


def _files(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        yield from (Path(here, name) for name in sorted(names) if not is_hidden(name))
