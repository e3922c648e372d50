"""Where the trials of a run are run, as it asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ttl import processes
from ttl.config import RunConfig
from ttl.cost.session import available_threads
from ttl.errors import UsageError
from ttl.run.context import RunContext
from ttl.run.events import Note, Watch
from ttl.run.run_worker import Worker
from ttl.run.trial_run import run_trial
from ttl.study.engines.engine import Engine, InProcess
from ttl.study.engines.ray_tasks import Cluster, RayTasks
from ttl.study.engines.workers import Workers


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
    """The engine that a run asks for; its processes, if it has any, end with the context.

    Args:
        context: of the run; its folder is held, and has its run.json.
        watch: is told what happens.
    """
    config = context.setting.config

    def say(text: str) -> None:
        watch(Note(text))

    if config.engine == "ray":
        threads = config.threads or 1
        with RayTasks(_worker(context, threads), _cluster(config, threads), tell=watch, say=say) as tasks:
            yield tasks
    elif config.jobs is None or config.jobs == 1:
        yield InProcess(lambda trial: run_trial(context, trial, watch))
    else:
        threads = config.threads or max(1, available_threads() // config.jobs)
        worker = _worker(context, threads)
        # For the libraries that ask when they are imported, and don't take it from torch.
        environment = {"OMP_NUM_THREADS": str(threads)}
        with Workers(worker, config.jobs, tell=watch, say=say, environment=environment) as workers:
            yield workers


def _worker(context: RunContext, threads: int) -> Worker:
    return Worker(context.setting.config, context.study.folder.absolute(), Path.cwd(), threads)


def _cluster(config: RunConfig, threads: int) -> Cluster:
    return Cluster(
        address=config.ray_address,
        local_cpus=config.jobs * threads if config.jobs else max(available_threads(), threads),
        cpus=threads,
        gpus=0.0 if config.device == "cpu" and config.gpus is None else config.gpus,
        most=config.jobs,
    )
