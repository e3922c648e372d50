"""A fresh process for one request: nothing that was timed before is in its memory or in its threads' way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from ttl import errors
from ttl.cost.subject import Answer, Inspected, Request, Timed
from ttl.errors import LatencyError
from ttl.typed import from_json, to_json

WORKER = (sys.executable, "-P", "-m", "ttl.cost.worker")


def time_together(request: Request) -> Timed:
    """The times of a request's models, in a process that ends with it; Ctrl-C ends it too.

    Raises:
        TTLError: what the process refused, or a LatencyError where it died.
    """
    answer = _ask(request).timed
    if answer is None:
        raise LatencyError(_death(request, 0, "it gave no times"))
    return answer


def inspect_alone(request: Request) -> Inspected:
    """Memory and provider of a request's one model, likewise.

    Raises:
        TTLError: as `time_together`.
    """
    answer = _ask(request).inspected
    if answer is None:
        raise LatencyError(_death(request, 0, "it gave no figures"))
    return answer


def _ask(request: Request) -> Answer:
    """What `ttl.cost.worker.answer` gives.

    Raises:
        TTLError: what the process refused, or a LatencyError where it died.
    """
    # It finds the modules that this process finds, and none in the folder that it happens to be started in.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(place or os.getcwd() for place in sys.path)}
    done = subprocess.run(
        WORKER, input=json.dumps(to_json(request)), capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        raise LatencyError(_death(request, done.returncode, done.stderr))
    answer = from_json(Answer, json.loads(done.stdout), where="what the process answered")
    if answer.refused is not None:
        raise getattr(errors, answer.refused.error)(answer.refused.text)
    return answer


def _death(request: Request, status: int, stderr: str) -> str:
    names = ", ".join(dict.fromkeys(subject.name for subject in request.subjects))
    if status < 0:
        how = f"was ended by {signal.Signals(-status).name}"
        return f"The process that timed {names} {how}: free some memory, or time fewer models at once."
    said = stderr.strip().splitlines() or ["without a word"]
    return f"The process that timed {names} failed ({said[-1]}): time the models one by one to find which."
