"""Routes: what a browser may ask of the runs in our output folder. Reads there and nowhere else; writes nothing.

    GET  /zimage_lora/runs                    all runs, the one that changed last first
    GET  /zimage_lora/runs/{run_id}           one run: its curve, settings, checkpoints, and what it is doing
    POST /zimage_lora/runs/{run_id}/finish    the run ends after the present step, and the nodes after it go on
    POST /zimage_lora/runs/{run_id}/save      a checkpoint is saved after the present step, and the run goes on

`run_id` is what our events call `run`; no path is ever made of it. The answer is 200 with what
`tests/event_examples.json` shows, 400 for what is no id, 403 for a page of another origin, and 404 for a run that is
not there, or to finish or save, that this server is not training.

Reading runs is imported when it is first asked for, so that ComfyUI starts fast.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
from collections.abc import Awaitable, Callable

import comfy.cli_args
from aiohttp import web

from ..trainer.training.keeping.control import RunControl
from . import host
from .access import is_own_page

_RUN_ID = re.compile(r"[a-z0-9-]{1,40}-[0-9a-f]{8}")  # what trainer.files.slug makes
_Answer = Callable[[web.Request], Awaitable[web.Response]]


def add_routes() -> None:
    """Add our routes to the server's; once, before it starts."""
    routes = host.routes()
    routes.get("/zimage_lora/runs")(_for_own_pages(_list))
    routes.get("/zimage_lora/runs/{run_id}")(_for_own_pages(_show))
    routes.post("/zimage_lora/runs/{run_id}/finish")(_for_own_pages(_finish))
    routes.post("/zimage_lora/runs/{run_id}/save")(_for_own_pages(_save))


def _for_own_pages(answer: _Answer) -> _Answer:
    """ComfyUI compares origins on loopback alone, and not at all with --enable-cors-header."""

    @functools.wraps(answer)
    async def guarded(request: web.Request) -> web.Response:
        named = comfy.cli_args.args.enable_cors_header
        if not is_own_page(request.headers, named):
            return _refused(403, "host.foreign_origin")
        return await answer(request)

    return guarded


async def _list(request: web.Request) -> web.Response:
    # In a thread: reading takes as long as the disk takes, and the server's loop also carries every event.
    return await asyncio.to_thread(_listed)


def _listed() -> web.Response:
    from .run_registry import all_runs, live_runs

    return _json({"runs": all_runs().listed(live_runs())})


async def _show(request: web.Request) -> web.Response:
    return await asyncio.to_thread(_shown, request.match_info["run_id"])


def _shown(run_id: str) -> web.Response:
    from .run_registry import all_runs, training_of

    if not _RUN_ID.fullmatch(run_id):
        return _refused(400, "host.bad_run_id")
    training = training_of(run_id)
    found = all_runs().shown(run_id, training.live() if training else None)
    return _json(found) if found else _refused(404, "host.run_unknown", run=run_id)


async def _finish(request: web.Request) -> web.Response:
    return _ask(request.match_info["run_id"], RunControl.ask_to_finish)


async def _save(request: web.Request) -> web.Response:
    return _ask(request.match_info["run_id"], RunControl.ask_to_save)


def _ask(run_id: str, ask: Callable[[RunControl], None]) -> web.Response:
    from .run_registry import training_of

    if not _RUN_ID.fullmatch(run_id):
        return _refused(400, "host.bad_run_id")
    training = training_of(run_id)
    if training is None:
        return _refused(404, "host.run_not_training", run=run_id)
    ask(training.control)
    return _json({"run": run_id})


def _refused(status: int, key: str, **values: str) -> web.Response:
    return _json({"error": host.say(key, **values)}, status=status)


def _json(values: object, *, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(values), status=status, content_type="application/json")
