"""Threads: the same work on many photos. Decoding and scaling release the GIL, so that threads use every core."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
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
    room = Room()

    def work_in_room(one: Given) -> Made:
        with room.taken(num_bytes(one)):
            return work(one)

    with ThreadPoolExecutor(max_workers=min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
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
