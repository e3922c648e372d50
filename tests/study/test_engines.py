"""A run whose fine-tunes are done by other processes ends with the report of one that did them itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from toy_candidates import cuts
from toy_work import descendants, gone, named, record_of
from ttl.config import RunConfig
from ttl.errors import RunFolderError, UsageError
from ttl.run import engine_of, run
from ttl.run.engine_of import worker
from ttl.run.events import EpochDone, Event, Note, TrialDone, TrialPaused, TrialStarted, unwatched
from ttl.run.findings import Findings, PartialRuns, SeedRuns
from ttl.run.search_job import SearchJob
from ttl.study.undertrained import Undertrained

TIMELESS = ("seconds", "images_per_second", "latency", "started", "run", "content_sha256")
BESIDE = {"local": {"jobs": 2}, "ray": {"jobs": 2, "engine": "ray"}}
PROCESS = {"local": "ttl.study.engines.workers", "ray": "ray::fine_tune"}


def small(out: Path, **changes: object) -> RunConfig:
    # So many epochs that a fine-tune is still under way when its first one is heard of.
    options = {"data": "digits:0-1", "model": "test_resnet", "weights": "none", "image_size": 32, "epochs": 16}
    options |= {"strategy": "exhaustive", "halving": 8, "margin": 0.01, "train_fraction": 0.5, "threads": 1}
    return RunConfig.model_validate({**options, "out": out, **changes})


def timeless(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if key not in TIMELESS}
    return [timeless(value) for value in content] if isinstance(content, list) else content


def same(one: Path, other: Path) -> None:
    """Report, trials and weights of two run folders are the same, and nothing is left half-written."""
    assert timeless(json.loads((other / "report.json").read_text())) == timeless(
        json.loads((one / "report.json").read_text())
    )
    assert {path.name for path in (other / "trials").iterdir()} == {path.name for path in (one / "trials").iterdir()}
    trials = {path.parent.name: path for path in (one / "trials").glob("*/trial.json")}
    assert trials
    for name, path in trials.items():
        again = other / "trials" / name
        assert timeless(json.loads((again / "trial.json").read_text())) == timeless(json.loads(path.read_text()))
        assert (again / "model.safetensors").read_bytes() == (path.parent / "model.safetensors").read_bytes()
    assert {path.suffix for path in other.rglob(".*")} <= {"", ".state"}  # the lock, and what halving stopped


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "run"
    run(small(folder), deliver=False)
    return folder


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.consumers)])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "ray":
        pytest.importorskip("ray", reason="Ray isn't installed: pip install 'ttl[ray]'")
    return str(request.param)


def test_two_at_once_that_are_killed_give_the_report_of_one_after_another(
    alone: Path, tmp_path: Path, engine: str
) -> None:
    """With halving, so that fine-tunes also go on in another worker than the one they began in."""
    events: list[Event] = []
    killed: list[int] = []

    def watch(event: Event) -> None:
        events.append(event)
        if isinstance(event, EpochDone) and not killed:
            killed.extend(pid for pid in descendants(os.getpid()) if named(pid, PROCESS[engine]))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    run(small(tmp_path / "run", **BESIDE[engine]), deliver=False, watch=watch)
    assert killed
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any(note.startswith("The worker of the fine-tune at") for note in notes)
    same(alone, tmp_path / "run")
    assert [pid for pid in descendants(os.getpid()) if named(pid, PROCESS[engine])] == []
    started = [event for event in events if isinstance(event, TrialStarted)]
    assert any(event.epochs_done for event in started)
    names = {event.cut for event in started}
    assert {event.cut for event in events if isinstance(event, EpochDone)} == names
    assert {event.record.cut for event in events if isinstance(event, TrialDone | TrialPaused)} == names
    again = run(small(tmp_path / "run"), deliver=False)  # where its fine-tunes are done is no other command
    assert again.trained == 0


def test_what_was_stopped_is_in_one_order_whichever_ended_first() -> None:
    low, middle, high = cuts()[:3]
    findings = Findings()
    for cut in (high, low, middle):
        findings.paused[cut] = PartialRuns((record_of(cut.name, status="paused"),), 1)
    assert list(findings.stopped) == [low, middle, high]


def test_what_is_undertrained_is_named_from_the_lowest_on_whichever_ended_first() -> None:
    low, middle, high, _, whole = cuts()
    poor = Undertrained(log_loss=0.69, constant=0.69, spread=3.0, falling=False)
    context: Any = SimpleNamespace(setting=SimpleNamespace(whole=whole))
    job = SearchJob(context, unwatched, context, lambda findings: None)
    for cut, found in ((whole, poor), (high, poor), (low, poor), (middle, None)):
        job.findings.tried[cut] = SeedRuns((record_of(cut.name, undertrained=found),))
    assert job._undertrained() == [low, high]


INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from ttl.cli import console, main
console.QUIET_SECONDS = 0.0
sys.argv[0] = "ttl"
main()
"""


def test_ctrl_c_ends_the_workers_too(tmp_path: Path) -> None:
    options = ["--model", "test_resnet", "--weights", "none", "--image-size", "32", "--epochs", "500", "--jobs", "2"]
    command = [sys.executable, "-c", INTERRUPTED, "search", "digits:0-1", *options, "--out", str(tmp_path / "run")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONWARNINGS": "ignore"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=env, text=True, start_new_session=True, **pipes) as started:
        assert started.stdout is not None
        for line in started.stdout:
            if line.startswith("  "):  # of an epoch
                break
        workers = descendants(started.pid)
        os.killpg(started.pid, signal.SIGINT)
        _, errors = started.communicate(timeout=120)
    assert started.returncode == 130
    assert errors == "ttl: Stopped. What was finished is kept: the same command again goes on from there.\n"
    assert workers
    assert all(gone(pid) for pid in workers)


@pytest.mark.parametrize("options", [{"jobs": 2}, {"engine": "ray"}], ids=["jobs", "ray"])
def test_workers_of_workers_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    monkeypatch.setattr(engine_of, "find_spec", lambda name: name)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(
        UsageError, match="starts workers of its own, and this is one of 2 processes that were launched"
    ):
        run(small(tmp_path / "run", **options))
    assert not (tmp_path / "run").exists()


def test_ray_that_isnt_installed_is_refused_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_of, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"--engine ray needs Ray, which isn't installed: pip install 'ttl\[ray\]'"):
        run(small(tmp_path / "run", engine="ray"))


@pytest.mark.consumers
def test_a_cluster_that_isnt_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray isn't installed: pip install 'ttl[ray]'")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="There is no Ray cluster at --ray-address nowhere"):
        run(small(tmp_path / "run", engine="ray", ray_address="nowhere"))


@pytest.mark.consumers
def test_a_cluster_that_lets_nobody_in_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray isn't installed: pip install 'ttl[ray]'")

    def refuse(**options: object) -> None:
        raise ray.exceptions.AuthenticationError("InvalidAuthToken: the token is missing\nand more")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(UsageError, match=r"cluster at --ray-address auto \(.*token is missing.*\): start one with ray"):
        run(small(tmp_path / "run", engine="ray", ray_address="auto"))


def test_a_run_folder_that_a_machine_doesnt_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RunFolderError, match=r"isn't there on .*: name one with --out that all machines of the cluster"
    ):
        worker(small(tmp_path / "run"), tmp_path / "run", tmp_path, 1)
