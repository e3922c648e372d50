"""A run that is killed at any moments and started again ends with the report of one that was left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toy_runs import timeless

# The children are forked from a process that has imported everything: a kill then meets the work, not the imports.
SCRIPT = """
import os, random, signal, sys, time
from pathlib import Path
import torch, timm, accelerate
from ttl.config import RunConfig
from ttl.run import run

def work(folder):
    options = {"data": "digits:0-1", "model": "test_resnet", "weights": "none", "image_size": 32, "epochs": 3}
    run(RunConfig.model_validate({**options, "strategy": sys.argv[2], "out": folder}), deliver=False)

def forked(folder):
    child = os.fork()
    if child == 0:
        work(folder)
        os._exit(0)
    return child

def ended(child):
    _, status = os.waitpid(child, 0)
    return status

def there(folder):
    return str(sorted(p.name for p in folder.glob("trials/*")))

def moved_on(folder, child):  # there is another fine-tune, or state of one; False where the child ended before that
    before = there(folder)
    while there(folder) == before:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return False
        time.sleep(0.002)
    return True

start = time.monotonic()
assert ended(forked(Path("alone"))) == 0
alone = time.monotonic() - start
chance, killed, studies = random.Random(0), 0, 1
while killed < int(sys.argv[1]):
    folder = Path(f"killed-{studies}")
    child = forked(folder)
    # By the clock alone a slow machine is always killed before it gets any further.
    if killed % 2 == 0 or moved_on(folder, child):
        time.sleep(chance.uniform(0, (0.05 if killed % 2 else 0.4) * alone))
    os.kill(child, signal.SIGKILL)
    if os.WIFSIGNALED(ended(child)):
        killed += 1
        Path("moments").open("a").write(there(folder) + "\\n")
    else:  # it had ended: the next kills are of another study
        studies += 1
assert ended(forked(Path(f"killed-{studies}"))) == 0
"""


@pytest.mark.parametrize(("strategy", "kills"), [("two-stage", 20), ("joint", 10)])
def test_killed_again_and_again_it_ends_with_the_same_report(tmp_path: Path, strategy: str, kills: int) -> None:
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", SCRIPT, str(kills), strategy]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, done.stderr
    moments = (tmp_path / "moments").read_text().splitlines()
    assert len(moments) == kills
    assert len(set(moments)) > 3  # it was killed at different stages of the work
    alone = json.loads((tmp_path / "alone" / "report.json").read_text())
    assert "chosen" in alone  # what isn't finished of it is the export: the search is what is compared
    killed = sorted(tmp_path.glob("killed-*"))
    assert killed
    for study in killed:
        assert timeless(json.loads((study / "report.json").read_text())) == timeless(alone)
        for record in (tmp_path / "alone" / "trials").glob("*/trial.json"):
            other = study / "trials" / record.parent.name
            assert timeless(json.loads((other / "trial.json").read_text())) == timeless(json.loads(record.read_text()))
            (weights,) = record.parent.glob("*.safetensors")
            assert (other / weights.name).read_bytes() == weights.read_bytes()
        assert {path.name for path in study.rglob(".*")} <= {".lock"}
