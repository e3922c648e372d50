"""What a worker process does: it prepares the run as this process did, and fine-tunes what it is told to."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ttl.config import RunConfig
from ttl.errors import RunFolderError
from ttl.run.budget import within_latency
from ttl.run.events import unwatched
from ttl.run.prepare import prepare
from ttl.run.prepared import Prepared
from ttl.run.trial import run_trial
from ttl.study.engines.engine import Remote, Tell, Trial
from ttl.study.study import CACHE, RUN, Study


@dataclass(frozen=True)
class Worker:
    """Called once in a worker process; a `ttl.study.engines.engine.Setup`.

    It takes no lock on the run folder: the process that started it holds that, and hands no trial to two workers.

    Attributes:
        config: of the run.
        folder: the run folder.
        place: the folder that relative paths are relative to, where there is one of that name.
        threads: of each fine-tune.
    """

    config: RunConfig
    folder: Path
    place: Path
    threads: int

    def __call__(self) -> Remote:
        """Prepare the run.

        Raises:
            RunFolderError: there is no such run folder here.
        """
        with suppress(OSError):
            os.chdir(self.place)
        study = Study(self.folder)
        if study.read(RUN) is None:
            raise RunFolderError(
                f"The run folder {self.folder} isn't there on {platform.node()}: name one with --out that all machines "
                "of the cluster share"
            )
        prepared = prepare(self.config, unwatched, cache_dir=study.folder / CACHE)
        prepared = within_latency(prepared, study, unwatched)
        torch.set_num_threads(self.threads)
        return _Remote(prepared, study)


@dataclass(frozen=True)
class _Remote:
    prepared: Prepared
    study: Study

    def __call__(self, trial: Trial, tell: Tell) -> Mapping[str, Any]:
        return run_trial(self.prepared, self.study, trial, tell)
