"""report.json of a run folder, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ttl.errors import RunFolderError

SCHEMA = 1


def load(run_folder: Path) -> Mapping[str, Any]:
    """The content of report.json.

    Raises:
        RunFolderError: there is none, or it is not one that this version reads.
    """
    path = Path(run_folder) / "report.json"
    if not path.is_file():
        raise RunFolderError(f"{path} does not exist: give the folder of a `ttl run` or `ttl search`.")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFolderError(f"{path} is not JSON ({error}): run the command that made it again.") from error
    if not isinstance(report, dict):
        raise RunFolderError(f"{path} holds a {type(report).__name__}, not an object: run the command again.")
    schema = report.get("schema", SCHEMA)
    if schema != SCHEMA:
        raise RunFolderError(
            f"{path} has schema {schema}, and this ttl reads schema {SCHEMA}: use the ttl that wrote it."
        )
    return report
