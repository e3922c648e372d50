"""A fresh process for one request: nothing that was timed before is in its memory or in its threads' way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

from ttl import errors
from ttl.cost.subject import Request
from ttl.errors import LatencyError

WORKER = (sys.executable, "-P", "-m", "ttl.cost.worker")


def ask(request: Request) -> dict[str, Any]:
    """What `ttl.cost.worker.answer` says to a request, in a process that ends with it; Ctrl-C ends it too.

    Raises:
        TTLError: what the process refused, or a LatencyError where it died.
    """
    # It finds the modules that this process finds, and none in the folder that it happens to be started in.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(place or os.getcwd() for place in sys.path)}
    done = subprocess.run(
        WORKER, input=json.dumps(request.to_json()), capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        raise LatencyError(_death(request, done.returncode, done.stderr))
    content: dict[str, Any] = json.loads(done.stdout)
    if "error" in content:
        raise getattr(errors, content["error"])(content["text"])
    return content


def _death(request: Request, status: int, stderr: str) -> str:
    names = ", ".join(dict.fromkeys(subject.name for subject in request.subjects))
    if status < 0:
        how = f"was ended by {signal.Signals(-status).name}"
        return f"The process that timed {names} {how}: free some memory, or time fewer models at once."
    said = stderr.strip().splitlines() or ["without a word"]
    return f"The process that timed {names} failed ({said[-1]}): time the models one by one to find which."
