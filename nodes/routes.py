"""Routes: what a browser may ask of a training, by POST and a run's id alone. Reads and writes no file.

    POST /zimage_lora/runs/{run_id}/finish    the run ends after the present step, and the nodes after it go on
    POST /zimage_lora/runs/{run_id}/save      a checkpoint is saved after the present step, and the run goes on

`run_id` is what our events call `run`. The answer is 200 once the run knows, 400 for what is no id, and 404 for a run
that is not training.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

from aiohttp import web

from ..trainer.training.keeping.control import RunControl
from . import host

_RUN_ID = re.compile(r"[a-z0-9-]{1,40}-[0-9a-f]{8}")  # what trainer.files.slug makes
_training: dict[str, RunControl] = {}


@contextlib.contextmanager
def controlled(run_id: str) -> Iterator[RunControl]:
    """Within it the routes reach the run of this id."""
    control = _training[run_id] = RunControl()
    try:
        yield control
    finally:
        del _training[run_id]


def add_routes() -> None:
    """Add our routes to the server's; once, before it starts."""

    @host.routes().post("/zimage_lora/runs/{run_id}/finish")
    async def finish(request: web.Request) -> web.Response:
        return _ask(request.match_info["run_id"], RunControl.ask_to_finish)

    @host.routes().post("/zimage_lora/runs/{run_id}/save")
    async def save(request: web.Request) -> web.Response:
        return _ask(request.match_info["run_id"], RunControl.ask_to_save)


def _ask(run_id: str, ask: Callable[[RunControl], None]) -> web.Response:
    if not _RUN_ID.fullmatch(run_id):
        return web.json_response({"error": host.say("host.bad_run_id")}, status=400)
    control = _training.get(run_id)
    if control is None:
        return web.json_response({"error": host.say("host.run_not_training", run=run_id)}, status=404)
    ask(control)
    return web.json_response({"run": run_id})
