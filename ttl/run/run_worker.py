"""What a worker process does: it prepares the run as this process did, and fine-tunes what it is told to."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from ttl.config import RunConfig
from ttl.errors import RunFolderError
from ttl.run.budget import within_latency
from ttl.run.context import RunContext, context_of
from ttl.run.events import unwatched
from ttl.run.prepare import prepare
from ttl.run.trial_run import run_trial
from ttl.study.engines.engine import Remote, Tell
from ttl.study.folder import Study
from ttl.study.record import TrialRecord
from ttl.study.trial import Trial


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
        if study.run() is None:
            raise RunFolderError(
                f"The run folder {self.folder} isn't there on {platform.node()}: name one with --out that all machines "
                "of the cluster share"
            )
        setting = within_latency(prepare(self.config, unwatched), study, unwatched)
        torch.set_num_threads(self.threads)
        return _Remote(context_of(setting, study))


@dataclass(frozen=True)
class _Remote:
    context: RunContext

    def __call__(self, trial: Trial, tell: Tell) -> TrialRecord:
        return run_trial(self.context, trial, tell)
