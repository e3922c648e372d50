"""One function over many items in threads: decoding and hashing both let the others run."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 16  # items a task, unless told otherwise: small images take less time than handing one over
AHEAD = 4  # tasks a thread that may wait for the consumer, so that results don't pile up in memory


def in_threads(function: Callable[[Item], Result], items: Sequence[Item], chunk: int = CHUNK) -> Iterator[Result]:
    """The results in the order of `items`, computed on every core of the process's cpuset.

    The first exception ends it, and what has not begun by then is dropped.

    Args:
        function: of an item.
        items: in order.
        chunk: items a task: few where the results are large, since several tasks wait for whoever takes them.
    """
    threads = _cores()
    pending: deque[Future[list[Result]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for start in range(0, len(items), chunk):
                pending.append(pool.submit(_each, function, items[start : start + chunk]))
                if len(pending) >= threads * AHEAD:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _each(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [function(item) for item in items]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
