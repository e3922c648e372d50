"""Where the trials of a run are run, as it asks; and what a worker process does."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch

from ttl import processes
from ttl.config import RunConfig
from ttl.cost.session import available_threads
from ttl.errors import RunFolderError, UsageError
from ttl.run.budget import within_latency
from ttl.run.context import RunContext, context_of
from ttl.run.events import Note, Watch, unwatched
from ttl.run.prepare import prepare
from ttl.run.trial_run import run_trial
from ttl.study.engines.engine import Engine, InProcess, Remote
from ttl.study.engines.ray_tasks import Cluster, RayTasks
from ttl.study.engines.workers import Workers
from ttl.study.folder import Study


def check_engine(config: RunConfig) -> None:
    """Refuse an engine that isn't there, or that doesn't go with how this process was started.

    Raises:
        UsageError: it is so.
    """
    if config.engine == "ray" and find_spec("ray") is None:
        raise UsageError("--engine ray needs Ray, which isn't installed: pip install 'ttl[ray]', or leave it out")
    beside = "--engine ray" if config.engine == "ray" else f"--jobs {config.jobs}"
    if processes.count() > 1 and (config.engine == "ray" or (config.jobs or 1) > 1):
        raise UsageError(
            f"{beside} starts workers of its own, and this is one of {processes.count()} processes that were launched "
            "together: leave out one or the other"
        )


@contextmanager
def engine_of(context: RunContext, watch: Watch) -> Iterator[Engine]:
    """The engine that a run asks for; its processes end with the context. The run folder is held, has its run.json."""
    config = context.setting.config
    setup = partial(worker, config, context.study.folder.absolute(), Path.cwd())

    def say(text: str) -> None:
        watch(Note(text))

    if config.engine == "ray":
        threads = config.threads or 1
        cluster = Cluster(
            address=config.ray_address,
            local_cpus=config.jobs * threads if config.jobs else max(available_threads(), threads),
            cpus=threads,
            gpus=0.0 if config.device == "cpu" and config.gpus is None else config.gpus,
            most=config.jobs,
        )
        with RayTasks(partial(setup, threads), cluster, tell=watch, say=say) as tasks:
            yield tasks
    elif config.jobs is None or config.jobs == 1:
        yield InProcess(lambda trial: run_trial(context, trial, watch))
    else:
        threads = config.threads or max(1, available_threads() // config.jobs)
        # For the libraries that ask when they are imported, and don't take it from torch.
        environment = {"OMP_NUM_THREADS": str(threads)}
        with Workers(partial(setup, threads), config.jobs, tell=watch, say=say, environment=environment) as workers:
            yield workers


def worker(config: RunConfig, folder: Path, place: Path, threads: int) -> Remote:
    """Prepare the run as this process did, once in each worker process.

    It takes no lock on the run folder: the process that started it holds that, and hands no trial to two workers.
    Relative paths are relative to `place`, where there is a folder of that name.

    Raises:
        RunFolderError: there is no such run folder here.
    """
    with suppress(OSError):
        os.chdir(place)
    study = Study(folder)
    if study.run() is None:
        raise RunFolderError(
            f"The run folder {folder} isn't there on {platform.node()}: name one with --out that all machines "
            "of the cluster share"
        )
    setting = within_latency(prepare(config, unwatched), study, unwatched)
    torch.set_num_threads(threads)
    return partial(run_trial, context_of(setting, study))
