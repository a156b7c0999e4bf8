"""The lock on a run: two programs never train one run at once, and the second is told who the first is. Trains nothing.

The lock itself is the operating system's, which lets go of it when its owner dies, however that happens: a lock that
somebody left behind is taken over without asking. Who the owner is stands in a file beside it, because Windows lets
nobody read a locked file.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...files import as_user_error, write_text_whole
from ...messages import UserError

_LOCK, _OWNER = "run.lock", "owner.json"


@contextlib.contextmanager
def hold_run(
    run_dir: Path, name: str, *, now: Callable[[], datetime.datetime] = datetime.datetime.now
) -> Iterator[bool]:
    """Hold the lock on a run's folder; gives False where its file system has no locks, so that the user can be told.

    Raises UserError, naming program, process, machine and since when, where another program or thread holds it.
    """
    from filelock import FileLock, Timeout

    # Not per thread: a generator may be closed by another thread than the one that began it.
    lock = FileLock(run_dir / _LOCK, thread_local=False)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError("train.run_in_use", name=name, **read_owner(run_dir)) from error
    except (OSError, NotImplementedError) as error:
        problem = as_user_error(error, run_dir)
        if isinstance(problem, UserError):
            raise problem from error
        yield False
        return
    owner_path = run_dir / _OWNER
    try:
        write_text_whole(owner_path, json.dumps(_ourselves(now()), ensure_ascii=False))
        yield True
    finally:
        with contextlib.suppress(OSError):  # a name that stays behind does no harm: only the lock counts
            owner_path.unlink(missing_ok=True)
        lock.release()


def read_owner(run_dir: Path) -> dict[str, Any]:
    """Who holds the lock: `program`, `pid`, `host` and `started`; question marks where that cannot be read."""
    unknown = dict.fromkeys(("program", "pid", "host", "started"), "?")
    try:
        owner = json.loads((run_dir / _OWNER).read_text(encoding="utf-8"))
        return {key: owner.get(key, "?") for key in unknown}
    except (OSError, ValueError, AttributeError):
        return dict(unknown)


def is_held_elsewhere(run_dir: Path) -> bool:
    """Whether, as far as its owner's file tells, another program of this machine trains the run. Touches no lock:
    to look whether it is free would keep out a training that begins in that moment."""
    owner = read_owner(run_dir)
    if owner["host"] != platform.node() or not isinstance(owner["pid"], int) or owner["pid"] == os.getpid():
        return False
    import psutil

    try:
        began_s = datetime.datetime.fromisoformat(str(owner["started"])).timestamp()
        return bool(psutil.Process(owner["pid"]).create_time() <= began_s + 1)  # else a later program with its number
    except (psutil.Error, ValueError):
        return False


def _ourselves(now: datetime.datetime) -> dict[str, object]:
    program = "/".join(Path(sys.argv[0] or "python").resolve().parts[-2:])
    return {
        "program": program,
        "pid": os.getpid(),
        "host": platform.node(),
        "started": now.isoformat(sep=" ", timespec="seconds"),
    }
