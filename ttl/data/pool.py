"""One function over many files in threads: decoding and hashing both let the others run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ttl.data.modality.image import quiet_readers
from ttl.processes import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]  # called with how many are done, and of how many

CHUNK = 16  # items a task, unless asked otherwise: small images take less time than handing one over
AHEAD = 4  # tasks a thread that may wait for the consumer, so that results don't pile up in memory


def in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], on_progress: Progress | None = None, chunk: int = CHUNK
) -> Iterator[Result]:
    """The results in the order of `items`, computed on every core that the process may keep busy.

    The first exception ends it, and what has not begun by then is dropped. Readers of images are kept quiet. A task is
    of `chunk` items: few where the results are large, since several tasks wait for whoever takes them.
    """
    with quiet_readers():
        for done, result in enumerate(_computed(function, items, chunk), start=1):
            yield result
            if on_progress:
                on_progress(done, len(items))


def _computed(function: Callable[[Item], Result], items: Sequence[Item], chunk: int) -> Iterator[Result]:
    threads = available_cores()
    pending: deque[Future[list[Result]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for start in range(0, len(items), chunk):
                part = items[start : start + chunk]
                pending.append(pool.submit(lambda part: [function(item) for item in part], part))
                if len(pending) >= threads * AHEAD:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
