"""What a process that was killed left half-written is swept away, and what stood under the name before stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ttl.data import cache
from ttl.files import sweep
from ttl.finetune.resume import Checkpoint, epochs_done

KILLED = """
import os, signal
from pathlib import Path

path = Path({path!r})
def die(*given, **named):
    os.kill(os.getpid(), signal.SIGKILL)
{work}
"""
WRITERS = {
    "cache": """
from ttl.data import cache
def pieces():
    import numpy as np
    yield np.ones(4, np.uint8)
    die()
cache._write(path, (8,), pieces())
""",
    "checkpoint": """
import torch
from ttl.finetune.resume import Checkpoint
def half(state, place):
    place.write_bytes(b"PK half of a state")
    die()
torch.save = half
Checkpoint(path, {}).save({"curve": [1, 2]}, must=True)
""",
    "export": """
import torch
from ttl.export import to_file
to_file.check_parity = die
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
to_file.export_model(model, path, check_on=torch.rand(2, 3, 2, 2))
""",
    "program": """
import torch
from ttl.export import to_file
to_file.check_parity = die
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
to_file.export_model(model, path, check_on=torch.rand(2, 3, 2, 2), precision="program")
""",
    "weights": """
from torch import nn
from ttl.export import bundle
from ttl import files
files.os.replace = die
bundle.save_weights(nn.Linear(2, 2), path)
""",
}


@pytest.mark.parametrize("kind", WRITERS)
def test_killed_in_mid_write_the_old_file_stays_and_the_leftover_goes(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"what was there before")
    code = textwrap.dedent(KILLED).format(path=str(path), work=WRITERS[kind])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert path.read_bytes() == b"what was there before"
    (left,) = (each for each in tmp_path.iterdir() if each != path)
    assert left.name.startswith(".kept.")
    assert left.name.endswith(".part")
    sweep(tmp_path, held=False)
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


@pytest.fixture
def living() -> Iterator[int]:
    """The number of another process, that is at work."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
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
    Checkpoint(path, {}).save({"curve": [1]}, must=True)

    def interrupted(state: object, place: Path) -> None:
        save({"curve": [1, 2, 3]}, place)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Checkpoint(path, {}).save({"curve": [1, 2]}, must=True)
    assert (epochs_done(path), list(tmp_path.iterdir())) == (1, [path])
