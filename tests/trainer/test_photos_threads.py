"""Reading ahead: results in order, some in advance and no more, and nothing at work once it is closed."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from trainer.photos.threads import ahead


def nothing(number: int) -> int:
    return 0


def test_results_come_in_order_whichever_is_made_first() -> None:
    def work(number: int) -> int:
        time.sleep(0.01 * (5 - number % 6))
        return number * number

    assert list(ahead(work, range(20), 4, nothing)) == [number * number for number in range(20)]
    assert list(ahead(work, [], 4, nothing)) == []


def test_no_more_are_made_in_advance_than_was_said() -> None:
    begun: list[int] = []
    with closing(ahead(lambda number: begun.append(number), range(50), 3, nothing)) as results:
        for asked in range(1, 10):
            next(results)
            time.sleep(0.02)
            assert len(begun) <= asked + 3
        assert len(begun) == 12, "and so many are"


def test_what_is_made_while_the_consumer_works_is_not_waited_for() -> None:
    reading_s = working_s = 0.03
    started_s = time.perf_counter()
    for _ in ahead(lambda number: time.sleep(reading_s), range(20), 4, nothing):
        time.sleep(working_s)
    assert time.perf_counter() - started_s <= 0.75 * 20 * (reading_s + working_s)


def test_an_error_comes_in_its_turn_and_what_had_not_begun_never_does() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError("the third")
        return number

    results = ahead(work, range(40), 2, nothing)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the third"):
        next(results)
    assert max(begun) <= 3 + 2


def test_closed_early_nothing_is_at_work_any_more() -> None:
    at_work = threading.Semaphore(0)

    def work(number: int) -> None:
        at_work.release()
        time.sleep(0.05)
        at_work.acquire()

    results = ahead(work, range(30), 8, nothing)
    next(results)
    results.close()
    assert not at_work.acquire(blocking=False)


def test_photos_that_need_more_room_than_there_is_are_read_one_at_a_time() -> None:
    together: list[int] = []
    at_work: set[int] = set()

    def work(number: int) -> None:
        at_work.add(number)
        time.sleep(0.01)
        together.append(len(at_work))
        at_work.discard(number)

    list(ahead(work, range(8), 4, lambda number: 1 << 40))
    assert together == [1] * 8
