from __future__ import annotations

from threading import Lock

import pytest

from ttl.data.pool import in_threads


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(in_threads(lambda number: number * number, range(1000))) == [n * n for n in range(1000)]
    assert list(in_threads(str, [])) == []


def test_the_first_error_ends_it() -> None:
    done: list[int] = []
    lock = Lock()

    def work(number: int) -> int:
        with lock:
            done.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    with pytest.raises(ValueError, match="three"):
        list(in_threads(work, range(100_000)))
    assert len(done) < 100_000
