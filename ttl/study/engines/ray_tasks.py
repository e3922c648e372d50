"""Trials as tasks of a Ray cluster, of this machine or of many."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Self

from ttl.errors import TTLError, UsageError, WorkerError
from ttl.study.engines.engine import Deaths, Outcome, Say, Setup, Tell, outcome_or_end, ready
from ttl.study.record import TrialRecord
from ttl.study.trial import Trial

POLL_SECONDS = 0.2  # between looks at the events of running trials


@dataclass(frozen=True)
class Cluster:
    """Where tasks run and what each of them takes."""

    address: str | None  # of a cluster that runs already, or `auto`; None starts one on this machine
    local_cpus: int  # cores of one that is started
    cpus: int  # of each trial
    gpus: float | None  # of each trial; None is 1 where the cluster has any
    most: int | None  # trials at once; None is as many as there is room for


class RayTasks:
    """An engine on a Ray cluster, joined or started with the first trial; leave it as a context to leave the cluster.

    A trial whose worker dies is handed out again here. Ray would do that too, but tells nobody, and where memory is
    short it never gives up.

    `setup`, what each process gets ready, is hashable, and equal for equal work.
    """

    def __init__(self, setup: Setup, cluster: Cluster, *, tell: Tell, say: Say) -> None:
        self.setup, self.cluster = setup, cluster
        self.tell, self.deaths = tell, Deaths(say)
        self.joined = ExitStack()
        self.most = 1
        self.task: Any = None
        self.events: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.joined.close()

    def run(self, trials: Iterable[Trial]) -> Iterator[tuple[Trial, Outcome]]:
        """See `ttl.study.engines.engine.Engine`.

        Raises:
            UsageError: Ray isn't installed, the cluster isn't there, or no machine of it is large enough.
            WorkerError: a trial has ended worker after worker, or the cluster is gone.
        """
        waiting, running = iter(trials), dict[Any, Trial]()
        while True:
            while len(running) < self.most and (trial := next(waiting, None)) is not None:
                running[self._begun(trial)] = trial
            if not running:
                return
            ended, _ = _ray().wait(list(running), timeout=POLL_SECONDS)
            for event in self.events.get_nowait_batch(self.events.qsize()):
                self.tell(pickle.loads(event))
            for reference in ended:
                yield from self._end(reference, running)

    def _begun(self, trial: Trial) -> Any:
        if self.task is None:
            self._join()
        return self.task.remote(self.setup, trial, self.events)

    def _join(self) -> None:
        ray, wanted = _ray(), self.cluster
        self.joined.enter_context(_session(wanted.address, wanted.local_cpus))
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = wanted.gpus
        if gpus is None:
            gpus = 1.0 if any(node.get("GPU", 0) >= 1 for node in nodes) else 0.0
        room = sum(_room(node, wanted.cpus, gpus) for node in nodes)
        if not room:
            raise UsageError(
                f"No machine of the Ray cluster has {wanted.cpus} CPU cores and {gpus:g} GPUs, which a fine-tune is to "
                "have: lower --threads or --gpus"
            )
        self.most = min(room, wanted.most or room)
        # max_calls: a worker would end after every task that has a GPU, and its preparation with it.
        self.task = ray.remote(num_cpus=wanted.cpus, num_gpus=gpus, max_retries=0, max_calls=0)(fine_tune)
        lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
        self.events = import_module("ray.util.queue").Queue(actor_options=lasting)

    def _end(self, reference: Any, running: dict[Any, Trial]) -> Iterator[tuple[Trial, Outcome]]:
        ray, trial = _ray(), running.pop(reference)
        try:
            result = ray.get(reference)
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError as error:
            self.deaths.count(trial, type(error).__name__)
            running[self._begun(trial)] = trial
            return
        yield trial, outcome_or_end(result)


def _room(node: Mapping[str, float], cpus: int, gpus: float) -> int:
    """Trials that a machine has room for."""
    by_cpus = int(node.get("CPU", 0) // cpus)
    return min(by_cpus, int(node.get("GPU", 0) / gpus + 1e-9)) if gpus else by_cpus


@contextmanager
def _session(address: str | None, cpus: int) -> Iterator[None]:
    """Be a part of a cluster; one that the caller has joined already is left as it is."""
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    where = {"address": address} if address else {"address": "local", "num_cpus": cpus, "include_dashboard": False}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # medical data: no telemetry unless it is asked for
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        if address is None:
            raise WorkerError(
                f"Ray can't be started on this machine ({reason}): leave out --engine ray, and use --jobs"
            ) from error
        raise UsageError(
            f"There is no Ray cluster at --ray-address {address} ({reason}): start one with ray start --head, or leave "
            "it out for one of this machine"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


prepared = lru_cache(maxsize=1)(ready)  # what this process of the cluster got ready, for all trials that it is handed


def fine_tune(setup: Setup, trial: Trial, events: Any) -> TrialRecord | Exception:
    """One trial, in a process of the cluster.

    Its events are put into the queue pickled: to unpickle them, the queue's process would first import all that they
    come from.
    """
    try:
        return prepared(setup)(trial, lambda event: events.put(pickle.dumps(event)))
    except TTLError as error:
        return error


def _ray() -> Any:
    """The library, imported only where it is used; a UsageError where it isn't installed."""
    try:
        return import_module("ray")
    except ImportError as error:
        raise UsageError(
            f"--engine ray needs Ray, which can't be imported ({error}): pip install 'ttl[ray]', or leave it out"
        ) from error
