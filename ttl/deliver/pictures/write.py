"""Pictures for the report, as files in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ttl.errors import RunFolderError


def write_pictures(run_folder: Path, name: str, number: int, pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Write the pictures of one case.

    Args:
        run_folder: where report.json lies.
        name: of the folder in it.
        number: of the case.
        pictures: key -> PNG file.

    Returns:
        key -> path, relative to the run folder.

    Raises:
        RunFolderError: no room, or no right to write.
    """
    paths = {key: f"{name}/{number}-{key}.png" for key in pictures}
    try:
        (run_folder / name).mkdir(exist_ok=True)
        for key, path in paths.items():
            (run_folder / path).write_bytes(pictures[key])
    except OSError as error:
        raise RunFolderError(
            f"The pictures in {run_folder / name} can't be written ({error.strerror}): make room and give the same "
            "command again, what was computed is kept"
        ) from error
    return paths
