"""Threads: the same work on many photos. Decoding and scaling release the GIL, so that threads use every core."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

Progress = Callable[[int, int], None]
"""Called with (photos done, photos in all), always in the caller's own thread; it may raise to stop the work."""
_MAX_THREADS = 4  # each holds one decoded photo, up to a gigabyte for the largest


def in_threads(work: Callable[[Given], Made], given: Sequence[Given], progress: Progress) -> list[Made]:
    """`work` on each, results in order. The first error stops what has not begun yet and is raised."""
    made: list[Made] = []
    with ThreadPoolExecutor(max_workers=min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
        futures = [pool.submit(work, one) for one in given]
        try:
            for future in futures:
                made.append(future.result())
                progress(len(made), len(futures))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return made
