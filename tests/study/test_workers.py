"""What engines that run trials in other processes promise, whichever they are."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from toy_work import Toy, gone, trial_that
from ttl.errors import RunFolderError, TrainingError, UsageError, WorkerError
from ttl.study.engines.engine import Outcome
from ttl.study.engines.ray_tasks import Cluster, RayTasks
from ttl.study.engines.workers import Workers
from ttl.study.record import TrialRecord
from ttl.study.trial import Trial

TWO = Cluster(address=None, local_cpus=2, cpus=1, gpus=None, most=2)


class Beside:
    """An engine of two processes, with the events and the sentences that came of it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.events: list[Any] = []
        self.sentences: list[str] = []

    def run(self, setup: Toy, *names: str) -> dict[str, Outcome]:
        heard: dict[str, Callable[[Any], None]] = {"tell": self.events.append, "say": self.sentences.append}
        engine: Workers | RayTasks = (
            Workers(setup, 2, **heard) if self.kind == "workers" else RayTasks(setup, TWO, **heard)
        )
        with engine:
            outcomes = list(engine.run(trial_that(name) for name in names))
        for trial, outcome in outcomes:
            assert isinstance(outcome, TrainingError) or outcome.cut == trial.candidate.name
        return {trial.candidate.name: outcome for trial, outcome in outcomes}


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    ray = pytest.importorskip("ray", reason="Ray isn't installed: pip install 'ttl[ray]'")
    options = {"num_cpus": 2, "include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # where its workers look for toy_work
        ray.init(address="local", **options)
    yield
    assert ray.is_initialized(), "a cluster that was there before was shut down"
    ray.shutdown()


@pytest.fixture(params=["workers", pytest.param("ray", marks=pytest.mark.consumers)])
def beside(request: pytest.FixtureRequest) -> Beside:
    if request.param == "ray":
        request.getfixturevalue("ray_here")
    return Beside(request.param)


def test_trials_run_side_by_side_and_their_events_arrive_in_order(tmp_path: Path, beside: Beside) -> None:
    os.mkfifo(tmp_path / "meeting")
    names = ("gives", "takes", "works", "fails")
    outcomes = beside.run(Toy(tmp_path), *names)
    assert set(outcomes) == set(names)
    assert str(outcomes.pop("fails")) == "The training loss is nan"  # the search survives that
    assert all(isinstance(outcome, TrialRecord) for outcome in outcomes.values())
    for name in outcomes:
        pid, end = [event for source, event in beside.events if source == name]
        assert (pid != os.getpid(), end) == (True, "done")
    assert beside.sentences == []


def test_a_trial_whose_worker_dies_is_done_by_another(tmp_path: Path, beside: Beside) -> None:
    outcomes = beside.run(Toy(tmp_path), "dies 2", "works")
    assert set(outcomes) == {"dies 2", "works"}
    assert len({event for name, event in beside.events if name == "dies 2"} - {"done"}) >= 2
    assert len(beside.sentences) == 2
    assert beside.sentences[0].startswith("The worker of the fine-tune at dies 2 ended (")
    assert beside.sentences[0].endswith("): a new one goes on from its last epoch")


def test_a_trial_that_ends_every_worker_ends_the_run(tmp_path: Path, beside: Beside) -> None:
    sentence = r"^The fine-tune at dies 9 ended its worker 3 times \(.*killed, or out of memory\): lower --jobs or"
    with pytest.raises(WorkerError, match=sentence):
        beside.run(Toy(tmp_path), "dies 9", "works")
    assert (tmp_path / "dies 9").read_text() == "xxx"


def test_any_other_error_ends_the_run_with_its_sentence(tmp_path: Path, beside: Beside) -> None:
    with pytest.raises(RunFolderError, match=r"^The run folder can't be written: make room$"):
        beside.run(Toy(tmp_path), "ends")


def test_a_mistake_comes_back_with_where_it_arose(tmp_path: Path, beside: Beside) -> None:
    with pytest.raises(ValueError, match="a mistake") as caught:
        beside.run(Toy(tmp_path), "breaks")
    assert "toy_work.py" in "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def test_a_worker_that_cant_begin_is_no_failed_fine_tune(tmp_path: Path, beside: Beside) -> None:
    with pytest.raises(WorkerError, match=r"^There is no such device here: use another$"):
        beside.run(Toy(tmp_path, broken=True), "works")


def test_without_trials_nothing_is_started(tmp_path: Path) -> None:
    with Workers(Toy(tmp_path), 2, tell=print, say=print) as workers:
        assert list(workers.run([])) == []
        assert (workers.idle, workers.busy) == ([], {})
    with RayTasks(Toy(tmp_path), TWO, tell=print, say=print) as tasks:
        assert list(tasks.run([])) == []
        assert tasks.task is None


def test_workers_stay_from_batch_to_batch_and_end_with_the_context(tmp_path: Path) -> None:
    drawn: list[str] = []

    def trials() -> Iterator[Trial]:
        for name in ("works b", "works c"):
            drawn.append(name)
            yield trial_that(name)

    events: list[Any] = []
    with Workers(Toy(tmp_path), 1, tell=events.append, say=print, environment={"OMP_NUM_THREADS": "3"}) as workers:
        ((_, first),) = workers.run([trial_that("works a")])
        trial, second = next(workers.run(trials()))
    assert (trial.candidate.name, drawn) == ("works b", ["works b"])  # one is drawn only when there is room
    assert [outcome.notes for outcome in (first, second) if isinstance(outcome, TrialRecord)] == [("3",)] * 2
    (pid,) = {event for _, event in events} - {"done"}
    assert gone(pid)


ALONE = """
import sys
from pathlib import Path
from toy_work import Toy, trial_that
from ttl.study.engines.workers import Workers
with Workers(Toy(Path(sys.argv[1])), 1, tell=lambda event: print(event[1], flush=True), say=print) as workers:
    list(workers.run([trial_that("gives")]))
"""


def test_no_worker_outlives_a_killed_run(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "meeting")  # nobody comes: its trial would wait for ever
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", ALONE, str(tmp_path)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        worker = int(started.stdout.readline())
        started.send_signal(signal.SIGKILL)
    assert gone(worker)


@pytest.mark.consumers
@pytest.mark.usefixtures("ray_here")
@pytest.mark.parametrize("cluster", [Cluster(None, 2, 64, 0.0, None), Cluster(None, 2, 1, 8.0, 2)])
def test_a_fine_tune_that_fits_no_machine_is_refused(tmp_path: Path, cluster: Cluster) -> None:
    sentence = rf"No machine of the Ray cluster has {cluster.cpus} CPU cores and {cluster.gpus:g} GPUs"
    with RayTasks(Toy(tmp_path), cluster, tell=print, say=print) as tasks, pytest.raises(UsageError, match=sentence):
        list(tasks.run([trial_that("works")]))
