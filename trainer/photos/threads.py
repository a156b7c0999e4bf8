"""Threads: the same work on many photos. Decoding and scaling release the GIL, so that threads use every core."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from ..messages import Message
from .room import Room

Given = TypeVar("Given")
Made = TypeVar("Made")

Progress = Callable[[int, int, Message], None]
"""Called with (photos done, photos in all, what is being done with which photo), always in the caller's own thread and
several times a second, however long one photo takes; it may raise to stop the work."""
_MAX_THREADS = 4
_TELL_EVERY_S = 0.25


def unheard(done: int, total: int, doing: Message) -> None:
    """The progress that nobody listens to."""


def in_threads(
    work: Callable[[Given], Made],
    given: Sequence[Given],
    progress: Progress = unheard,
    doing: Callable[[Given], Message] = lambda one: Message("photos.doing"),
    *,
    num_bytes: Callable[[Given], int] = lambda one: 0,
) -> list[Made]:
    """`work` on each, results in order. `doing` says what is being done with one of them, for `progress`.

    `num_bytes` says how much memory the work on one takes: no more are at work than there is room for (room.py).
    The first error, or what `progress` raises, stops what has not begun yet and is raised once the photos that are at
    work are done: nothing of ours is then still running.
    """
    work_in_room = _in_room(work, num_bytes)
    with _pool() as pool:
        futures = [pool.submit(work_in_room, one) for one in given]
        try:
            for index, one in enumerate(given):
                progress(index, len(given), doing(one))
                while not wait([futures[index]], timeout=_TELL_EVERY_S).done:
                    progress(index, len(given), doing(one))
                futures[index].result()
            if given:
                progress(len(given), len(given), doing(given[-1]))
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def ahead(
    work: Callable[[Given], Made], given: Sequence[Given], num_ahead: int, num_bytes: Callable[[Given], int]
) -> Generator[Made, None, None]:
    """`work` on each, results in order, made while whoever asks for them is busy: at most `num_ahead` in advance.

    `num_bytes` as in `in_threads`. Close it when leaving early; nothing of ours is then still running.
    """
    work_in_room = _in_room(work, num_bytes)
    begun: deque[Future[Made]] = deque()
    with _pool() as pool:
        try:
            for one in given:
                begun.append(pool.submit(work_in_room, one))
                if len(begun) > num_ahead:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(_MAX_THREADS, os.cpu_count() or 1))


def _in_room(work: Callable[[Given], Made], num_bytes: Callable[[Given], int]) -> Callable[[Given], Made]:
    room = Room()

    def work_in_room(one: Given) -> Made:
        with room.taken(num_bytes(one)):
            return work(one)

    return work_in_room
