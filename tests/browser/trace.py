"""Chromium's own trace of what a page does: frames drawn, and the time that scripts take. Knows no test."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

CATEGORIES = ["devtools.timeline", "devtools.timeline.frame", "disabled-by-default-devtools.timeline.frame"]
END_LIMIT_S = 60

Events = list[dict[str, Any]]


def traced(page: Any, act: Callable[[], Any]) -> Events:
    """What Chromium has recorded while `act` ran."""
    session = page.context.new_cdp_session(page)
    events: Events = []
    finished: list[bool] = []
    session.on("Tracing.dataCollected", lambda data: events.extend(data["value"]))
    session.on("Tracing.tracingComplete", lambda _: finished.append(True))
    session.send("Tracing.start", {"traceConfig": {"includedCategories": CATEGORIES}, "transferMode": "ReportEvents"})
    act()
    session.send("Tracing.end")
    deadline_s = time.monotonic() + END_LIMIT_S
    while not finished and time.monotonic() < deadline_s:
        page.wait_for_timeout(50)
    session.detach()
    return events


def frames_drawn(events: Events) -> float:
    """Frames in a second, from the first to the last."""
    times = sorted(event["ts"] for event in events if event["name"] == "DrawFrame")
    return (len(times) - 1) / ((times[-1] - times[0]) / 1e6)


def script_ms(events: Events, in_path: str) -> float:
    """The processor's milliseconds in functions that the browser has called in files of that path."""
    calls = (event for event in events if event["name"] == "FunctionCall" and event.get("ph") == "X")
    return sum(call.get("tdur", 0) for call in calls if in_path in call["args"]["data"].get("url", "")) / 1000
