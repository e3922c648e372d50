"""A run that is killed at any moments and started again ends with the report of one that was left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

KILLS = 20
TIMELESS = ("seconds", "images_per_second", "latency", "started", "run")

# The children are forked from a process that has imported everything: a kill then meets the work, not the imports.
SCRIPT = """
import os, random, signal, sys, time
from pathlib import Path
import torch, timm, accelerate
from ttl.config import RunConfig
from ttl.pipeline import run

def work(folder):
    told = {"data": "digits:0-1", "model": "resnet10t", "weights": "none", "image_size": 32, "epochs": 3, "seeds": 2}
    run(RunConfig.model_validate({**told, "out": folder}), deliver=False)

def forked(folder):
    child = os.fork()
    if child == 0:
        work(folder)
        os._exit(0)
    return child

def ended(child):
    _, status = os.waitpid(child, 0)
    return status

start = time.monotonic()
assert ended(forked(Path("alone"))) == 0
alone = time.monotonic() - start
chance, killed = random.Random(0), 0
for _ in range(int(sys.argv[1])):
    child = forked(Path("killed"))
    time.sleep(chance.uniform(0, 0.4 * alone))
    os.kill(child, signal.SIGKILL)
    killed += os.WIFSIGNALED(ended(child))
    Path("moments").open("a").write(str(sorted(p.name for p in Path("killed").glob("trials/*"))) + "\\n")
assert ended(forked(Path("killed"))) == 0
print(killed)
"""


def timeless(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if key not in TIMELESS}
    return [timeless(value) for value in content] if isinstance(content, list) else content


def test_killed_twenty_times_it_ends_with_the_same_report(tmp_path: Path) -> None:
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", SCRIPT, str(KILLS)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) >= KILLS // 2  # late in the study some ended before they were killed
    moments = set((tmp_path / "moments").read_text().splitlines())
    assert len(moments) > 3  # it was killed at different stages of the work
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("alone", "killed")]
    assert reports[0]["status"] == "unfinished"  # nothing was exported: the search alone is compared
    assert "chosen" in reports[0]
    assert timeless(reports[1]) == timeless(reports[0])
    for record in (tmp_path / "alone" / "trials").glob("*/trial.json"):
        other = tmp_path / "killed" / "trials" / record.parent.name / "trial.json"
        assert timeless(json.loads(other.read_text())) == timeless(json.loads(record.read_text()))
        assert (other.parent / "model.safetensors").read_bytes() == (record.parent / "model.safetensors").read_bytes()
    left = {path.name for path in (tmp_path / "killed").rglob(".*")}
    assert left <= {".lock"}
