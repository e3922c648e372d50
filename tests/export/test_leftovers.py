"""What a process that was killed left half-written is swept away, and what stood under the name before stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ttl.data import cache
from ttl.files import sweep
from ttl.finetune.epoch import Epoch
from ttl.finetune.resume import Best, Checkpoint, Stage, State, epochs_done

KILLED = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from onnx import helper
from torch import nn

from ttl import files
from ttl.data import cache
from ttl.export import bundle, to_file
from ttl.export.targets import target
from ttl.finetune.resume import Checkpoint

def die(*given, **named):
    os.kill(os.getpid(), signal.SIGKILL)

def into_the_cache(path):
    def pieces():
        yield np.ones(4, np.uint8)
        die()
    cache._write(path, (8,), pieces())

def checkpoint(path):
    def half(state, place):
        place.write_bytes(b"PK half of a state")
        die()
    torch.save = half
    Checkpoint(path, {}).save(SimpleNamespace(plain=dict), must=True)

def weights(path):
    files.os.replace = die
    bundle.save_weights(nn.Linear(2, 2), path)

def export(path):
    graph = helper.make_model(helper.make_graph([], "g", [], []))
    target.translate = lambda *given, **named: graph
    to_file.check_graph = die
    to_file.export_model(nn.Flatten(), path, check_on=torch.rand(2, 3, 2, 2))

def program(path):
    def half(program, file):
        file.write(b"PK half of a program")
        die()
    torch.export.export, torch.export.save = lambda *given, **named: None, half
    to_file.export_model(nn.Flatten(), path, check_on=torch.rand(2, 3, 2, 2), precision="program")

for name in sys.argv[2:]:
    child = os.fork()  # nothing has begun a thread yet
    if not child:
        globals()[name](Path(sys.argv[1]) / name / "kept")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, name
"""
WRITERS = ("into_the_cache", "checkpoint", "weights", "export", "program")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each writer, in which it was killed while it wrote the file `kept` anew."""
    folder = tmp_path_factory.mktemp("killed")
    for name in WRITERS:
        (folder / name).mkdir()
        (folder / name / "kept").write_bytes(b"what was there before")
    command = [sys.executable, "-c", KILLED, folder, *WRITERS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", WRITERS)
def test_killed_in_mid_write_the_old_file_stays_and_the_leftover_goes(name: str, killed: Path) -> None:
    folder = killed / name
    path = folder / "kept"
    assert path.read_bytes() == b"what was there before"
    (left,) = (each for each in folder.iterdir() if each != path)
    assert left.name.startswith(".kept.")
    assert left.name.endswith(".part")
    sweep(folder, held=False)
    assert list(folder.iterdir()) == [path]


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-S", "-c", ""])
    done.wait()
    return done.pid


@pytest.fixture
def living() -> Iterator[int]:
    """The number of another process, that is at work."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    yield process.pid
    process.kill()
    process.wait()


def test_writing_to_the_cache_sweeps_it(tmp_path: Path, dead: int, living: int) -> None:
    gone, kept = (tmp_path / f".a.npy.{number}.12345678.part" for number in (dead, living))
    own = tmp_path / f".a.npy.{os.getpid()}.12345678.part"
    for path in (gone, kept, own):
        path.write_bytes(b"half")
    written = cache.collected((4,), lambda: iter([np.arange(4, dtype=np.uint8)]), tmp_path / "b.npy")
    assert written.tolist() == [0, 1, 2, 3]
    assert {path.name for path in tmp_path.iterdir()} == {"b.npy", kept.name, own.name}


def test_a_state_is_whole_or_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, save = tmp_path / ".trial.state", torch.save
    Checkpoint(path, {}).save(after(1), must=True)

    def interrupted(state: object, place: Path) -> None:
        save(state, place)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Checkpoint(path, {}).save(after(2), must=True)
    assert (epochs_done(path), list(tmp_path.iterdir())) == (1, [path])


def after(epochs: int) -> State:
    row = Epoch(1, "all", 0.1, 0.5, 0.5, {"auprc": 0.9}, images_per_second=1.0, seconds=1.0)
    rng = torch.get_rng_state()
    return State({}, Best(), Stage(), (row,) * epochs, (), {}, {}, None, generator=rng, rng=rng, cuda_rng=None)
