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

from toy_work import Toy, gone
from ttl.errors import RunFolderError, TrainingError, UsageError, WorkerError
from ttl.study.engines.engine import Trial
from ttl.study.engines.ray_tasks import Cluster, RayTasks
from ttl.study.engines.workers import Workers

TWO = Cluster(address=None, local_cpus=2, cpus=1, gpus=None, most=2)


class Beside:
    """An engine of two processes, and what it was told."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.told: list[Any] = []
        self.said: list[str] = []

    def run(self, setup: Toy, *cuts: str) -> dict[str | None, Any]:
        heard: dict[str, Callable[[Any], None]] = {"tell": self.told.append, "say": self.said.append}
        engine: Workers | RayTasks = (
            Workers(setup, 2, **heard) if self.kind == "workers" else RayTasks(setup, TWO, **heard)
        )
        with engine:
            return {trial.cut: outcome for trial, outcome in engine.run(Trial(cut, 0) for cut in cuts)}


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    ray = pytest.importorskip("ray", reason="Ray isn't installed: pip install 'ttl[ray]'")
    told = {"num_cpus": 2, "include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # where its workers look for toy_work
        ray.init(address="local", **told)
    yield
    assert ray.is_initialized(), "a cluster that was there before was shut down"
    ray.shutdown()


@pytest.fixture(params=["workers", "ray"])
def beside(request: pytest.FixtureRequest) -> Beside:
    if request.param == "ray":
        request.getfixturevalue("ray_here")
    return Beside(request.param)


def test_trials_run_side_by_side_and_what_they_say_arrives_in_order(tmp_path: Path, beside: Beside) -> None:
    os.mkfifo(tmp_path / "meeting")
    outcomes = beside.run(Toy(tmp_path), "gives", "takes", "works a", "works b")
    assert {cut: outcome["cut"] for cut, outcome in outcomes.items()} == {cut: cut for cut in outcomes}
    for cut in ("gives", "takes", "works a", "works b"):
        pid, end = [what for told, what in beside.told if told == cut]
        assert (pid != os.getpid(), end) == (True, "done")
    assert beside.said == []


def test_a_trial_whose_worker_dies_is_done_by_another(tmp_path: Path, beside: Beside) -> None:
    outcomes = beside.run(Toy(tmp_path), "dies 2", "works")
    assert outcomes["dies 2"]["cut"] == "dies 2"
    assert outcomes["works"]["cut"] == "works"
    assert len({what for cut, what in beside.told if cut == "dies 2"} - {"done"}) >= 2
    assert len(beside.said) == 2
    assert beside.said[0].startswith("The worker of the fine-tune at dies 2 ended (")
    assert beside.said[0].endswith("): a new one goes on from its last epoch")


def test_a_trial_that_ends_every_worker_ends_the_run(tmp_path: Path, beside: Beside) -> None:
    sentence = r"^The fine-tune at dies 9 ended its worker 3 times \(.*killed, or out of memory\): lower --jobs or"
    with pytest.raises(WorkerError, match=sentence):
        beside.run(Toy(tmp_path), "dies 9", "works")
    assert (tmp_path / "dies 9").read_text() == "xxx"


def test_a_failed_fine_tune_is_an_outcome(tmp_path: Path, beside: Beside) -> None:
    outcomes = beside.run(Toy(tmp_path), "fails", "works")
    assert isinstance(outcomes["fails"], TrainingError)
    assert str(outcomes["fails"]) == "The training loss is nan"
    assert outcomes["works"]["cut"] == "works"


def test_any_other_error_ends_the_run_with_its_sentence(tmp_path: Path, beside: Beside) -> None:
    with pytest.raises(RunFolderError, match=r"^The run folder can't be written: make room$"):
        beside.run(Toy(tmp_path), "ends", "works")


def test_a_mistake_comes_back_with_where_it_arose(tmp_path: Path, beside: Beside) -> None:
    with pytest.raises(ValueError, match="a mistake") as caught:
        beside.run(Toy(tmp_path), "breaks")
    told = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert "toy_work.py" in told


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
    told: list[Any] = []
    with Workers(Toy(tmp_path), 1, tell=told.append, say=print, environment={"OMP_NUM_THREADS": "3"}) as workers:
        outcomes = [outcome for cut in ("works a", "works b") for _, outcome in workers.run([Trial(cut, 0)])]
    assert [outcome["threads"] for outcome in outcomes] == ["3", "3"]
    (pid,) = {what for _, what in told} - {"done"}
    assert gone(pid)


def test_a_trial_is_drawn_only_when_there_is_room(tmp_path: Path) -> None:
    drawn: list[str] = []

    def trials() -> Iterator[Trial]:
        for cut in ("works a", "works b"):
            drawn.append(cut)
            yield Trial(cut, 0)

    with Workers(Toy(tmp_path), 1, tell=print, say=print) as workers:
        first = next(workers.run(trials()))
    assert first[0].cut == "works a"
    assert drawn == ["works a"]


ALONE = """
import sys
from pathlib import Path
from toy_work import Toy
from ttl.study.engines.engine import Trial
from ttl.study.engines.workers import Workers
with Workers(Toy(Path(sys.argv[1])), 1, tell=lambda told: print(told[1], flush=True), say=print) as workers:
    list(workers.run([Trial("gives", 0)]))
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


@pytest.mark.usefixtures("ray_here")
@pytest.mark.parametrize("cluster", [Cluster(None, 2, 64, 0.0, None), Cluster(None, 2, 1, 8.0, 2)])
def test_a_fine_tune_that_fits_no_machine_is_refused(tmp_path: Path, cluster: Cluster) -> None:
    sentence = rf"No machine of the Ray cluster has {cluster.cpus} CPU cores and {cluster.gpus:g} GPUs"
    with RayTasks(Toy(tmp_path), cluster, tell=print, say=print) as tasks, pytest.raises(UsageError, match=sentence):
        list(tasks.run([Trial("works", 0)]))
