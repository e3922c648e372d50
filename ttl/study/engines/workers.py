"""Trials in processes beside this one, on this machine: what dies is replaced, and nothing outlives this process."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self

from ttl.errors import TTLError
from ttl.study.engines.engine import Deaths, Outcome, Remote, Say, Setup, Tell, outcome_or_end, ready
from ttl.study.trial import Trial

# Not by multiprocessing's spawn: that would run the caller's script once more in every worker.
BOOT = """
import sys
from multiprocessing.connection import Connection
connection = Connection(int(sys.argv[1]))
sys.path[:] = connection.recv()
from ttl.study.engines.workers import serve
serve(connection)
"""


@dataclass(frozen=True)
class _Message:
    """An event of a trial under way; or what a trial, or the preparation for the first one, ended with."""

    content: Any
    is_end: bool = False


class _Worker:
    """A process that runs one trial after another."""

    def __init__(self, setup: Setup, environment: Mapping[str, str]) -> None:
        self.connection, theirs = Pipe()
        # Ctrl-C reaches every process of a terminal; this one ends the workers.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", BOOT, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        theirs.close()
        self.send(sys.path)
        self.send(setup)

    def send(self, content: object) -> None:
        """Hand it over; that a worker is dead shows where it is listened to."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(content)

    def end(self) -> str:
        """Make sure that it is gone; how it went."""
        self.connection.close()
        self.process.kill()
        status = self.process.wait()
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"


class Workers:
    """An engine of so many processes, started when the first trials are there; leave it as a context to end them.

    `setup` is what each of them gets ready; `environment` are variables that they have beside this process's.
    """

    def __init__(
        self, setup: Setup, count: int, *, tell: Tell, say: Say, environment: Mapping[str, str] | None = None
    ) -> None:
        self.setup, self.count = setup, count
        self.tell, self.deaths = tell, Deaths(say)
        self.environment = environment or {}
        self.idle: list[_Worker] = []
        self.busy: dict[Connection, tuple[_Worker, Trial]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in (*self.idle, *(worker for worker, _ in self.busy.values())):
            worker.end()

    def run(self, trials: Iterable[Trial]) -> Iterator[tuple[Trial, Outcome]]:
        """See `ttl.study.engines.engine.Engine`.

        Raises:
            WorkerError: a trial has ended worker after worker.
        """
        waiting = iter(trials)
        while True:
            while len(self.busy) < self.count and (trial := next(waiting, None)) is not None:
                self._hand_out(trial)
            if not self.busy:
                return
            for connection in wait(list(self.busy)):
                assert isinstance(connection, Connection)
                yield from self._hear(connection)

    def _hand_out(self, trial: Trial) -> None:
        worker = self.idle.pop() if self.idle else _Worker(self.setup, self.environment)
        self.busy[worker.connection] = worker, trial
        worker.send(trial)

    def _hear(self, connection: Connection) -> Iterator[tuple[Trial, Outcome]]:
        """One message of a worker."""
        try:
            message = connection.recv()
        except (EOFError, OSError):
            worker, trial = self.busy.pop(connection)
            self.deaths.count(trial, worker.end())
            self._hand_out(trial)
            return
        if not message.is_end:
            self.tell(message.content)
            return
        worker, trial = self.busy.pop(connection)
        self.idle.append(worker)
        yield trial, outcome_or_end(message.content)


def serve(connection: Connection) -> None:
    """What a worker does until the other end is closed."""

    def send(content: object, *, is_end: bool = False) -> None:
        try:
            connection.send(_Message(content, is_end))
        except OSError:
            os._exit(1)

    inbox = SimpleQueue[bytes]()
    Thread(target=_listen, args=(connection, inbox), daemon=True).start()
    remote: Remote | None = None
    while True:
        content = inbox.get()
        try:
            if remote is None:
                remote = ready(pickle.loads(content))
            else:
                send(remote(pickle.loads(content), send), is_end=True)
        except Exception as error:
            send(_portable(error), is_end=True)


def _listen(connection: Connection, inbox: SimpleQueue[bytes]) -> None:
    """Fill the inbox; once nobody is there any more to want a result, end, whatever the work is at."""
    while True:
        try:
            inbox.put(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error as it can be sent; of one that no user can cause, also where it arose."""
    if not isinstance(error, TTLError):
        error.add_note(f"In a worker:\n{''.join(traceback.format_exception(error))}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
