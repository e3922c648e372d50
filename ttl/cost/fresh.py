"""A fresh process for one request: nothing that was timed before is in its memory or in its threads' way.

It imports what the request needs and no more; so request and answer are pickled, as `multiprocessing` does, which would
import the parent's main module too.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TypeVar

from ttl.cost.subject import Request
from ttl.errors import LatencyError, TTLError

WORKER = (sys.executable, "-P", "-m", "ttl.cost.fresh")
Answer = TypeVar("Answer")


def in_fresh_process(work: Callable[[Request], Answer], request: Request) -> Answer:
    """What a module's function answers to a request, in a process that ends with it; Ctrl-C ends it too.

    Raises:
        TTLError: what the function raised, or a LatencyError where the process died.
    """
    # It finds the modules that this process finds, and none in the folder that it happens to be started in.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(place or os.getcwd() for place in sys.path)}
    asked = pickle.dumps((work, request))
    done = subprocess.run(WORKER, input=asked, capture_output=True, env=environment, check=False)
    if done.returncode:
        raise LatencyError(_death(request, done.returncode, done.stderr.decode(errors="replace")))
    answer: Answer | TTLError = pickle.loads(done.stdout)
    if isinstance(answer, TTLError):
        raise answer
    return answer


def _death(request: Request, status: int, stderr: str) -> str:
    names = ", ".join(dict.fromkeys(subject.name for subject in request.subjects))
    if status < 0:
        how = f"was ended by {signal.Signals(-status).name}"
        return f"The process that timed {names} {how}: free some memory, or time fewer models at once."
    last = (stderr.strip().splitlines() or ["without a word"])[-1]
    return f"The process that timed {names} failed ({last}): time the models one by one to find which."


def main() -> None:
    """Read, work, answer; an error that a user can cause is an answer too."""
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what libraries print isn't the answer
        work, request = pickle.load(sys.stdin.buffer)
        try:
            answer = work(request)
        except TTLError as error:
            answer = error
        pickle.dump(answer, out)


if __name__ == "__main__":
    main()
