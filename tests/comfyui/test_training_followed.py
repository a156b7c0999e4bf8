"""A training in a real ComfyUI as other pages follow it: by its events, and by our routes for those that come later."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from typing import Any

import pytest

from tests.comfyui.server import ComfyServer
from tests.comfyui.workflow import node_of, pocket_graph
from trainer.files import slug
from trainer.training.keeping.lock import hold_run

pytestmark = pytest.mark.comfyui

EVENT = "zimage_lora.event"

NAME = "小红在看"
"""A name of its own: other files train on the same server."""


class Onlooker:
    """A second client: it has queued nothing, and hears what our nodes tell every page."""

    def __init__(self, server: ComfyServer) -> None:
        self.heard: list[dict[str, Any]] = []
        self._server, self._is_there, self._over = server, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()))

    def __enter__(self) -> Onlooker:
        self._thread.start()
        assert self._is_there.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    async def _listen(self) -> None:
        import aiohttp

        address = f"{self._server.url}/ws?clientId={uuid.uuid4().hex}"
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket_:
            self._is_there.set()
            while not self._over.is_set():
                try:
                    frame = await asyncio.wait_for(socket_.receive(), 0.2)
                except asyncio.TimeoutError:
                    continue
                if frame.type == aiohttp.WSMsgType.TEXT and (message := json.loads(frame.data))["type"] == EVENT:
                    self.heard.append(message["data"])

    def wait_for(self, kind: str, limit_s: float = 300, **values: int) -> dict[str, Any]:
        """The first event of a kind whose numbers are at least these."""
        deadline_s = time.monotonic() + limit_s
        while time.monotonic() < deadline_s:
            for event in list(self.heard):
                if event["event"] == kind and all(event[name] >= value for name, value in values.items()):
                    return event
            time.sleep(0.02)
        raise TimeoutError(f"no {kind} {values} among {[event['event'] for event in self.heard][-20:]}")


def test_a_run_queued_through_the_api_is_followed_by_a_second_page_and_by_one_that_comes_later(
    server: ComfyServer,
) -> None:
    graph = pocket_graph(server.get("/object_info"), run_name=NAME, total_steps=2000, save_every=10)
    run_id = slug(NAME)
    with Onlooker(server) as page:
        prompt_id = server.post("/prompt", {"prompt": graph})["prompt_id"]  # as a script does: no client, no workflow

        encoding = page.wait_for("Preparing")
        (listed,) = (run for run in server.get("/zimage_lora/runs")["runs"] if run["id"] == run_id)
        assert (encoding["run"], encoding["workflow"], listed["name"], listed["state"]) == (
            run_id,
            None,
            NAME,
            "running",
        )
        assert listed["live"]["prompt_id"] == prompt_id and listed["live"]["node"] == node_of(graph, "TrainZImageLoRA")
        assert listed["live"]["stage"] in ("text", "latents", "model", "train") and listed["live"]["text"]["zh"]

        page.wait_for("CheckpointSaved", step=20)
        num_heard = len(page.heard)
        shown = server.get(f"/api/zimage_lora/runs/{run_id}")  # the page is loaded again
        assert shown["run"]["state"] == "running" and shown["live"]["stage"] == "train"
        assert shown["settings"]["total_steps"] == 2000 and shown["model"] == "pocket_z_image.safetensors"
        assert shown["plan"]["lane"] and [one["step"] for one in shown["checkpoints"]] == [10, 20]
        assert [phase["from"] for phase in shown["phases"]] == [1, 1001]

        assert server.post(f"/zimage_lora/runs/{run_id}/finish", {}) == {"run": run_id}
        last_step = page.wait_for("Finished")["step"]
        history = server.history(prompt_id, limit_s=300)
        assert history["status"]["status_str"] == "success"
    told = [event for event in page.heard if event["event"] == "StepsDone"]
    steps = [step for event in told for step in event["steps"]]
    assert steps == list(range(1, last_step + 1)) and last_step < 2000
    after = [step for event in page.heard[num_heard:] if event["event"] == "StepsDone" for step in event["steps"]]
    seen = shown["curve"]["step"]
    assert seen == list(range(1, len(seen) + 1)) and sorted({*seen, *after}) == steps, "nothing is missing between"
    losses = dict(zip(shown["curve"]["step"], shown["curve"]["loss"]))
    assert all(losses.get(step, loss) == pytest.approx(loss, rel=1e-4)
               for event in told for step, loss in zip(event["steps"], event["losses"]))  # fmt: skip
    assert len(told) <= 10 * (told[-1]["at"] - told[0]["at"]) + 2 + sum(
        one["event"] == "CheckpointSaved" for one in page.heard
    )

    again = server.get(f"/zimage_lora/runs/{run_id}")
    assert (again["run"]["state"], again["run"]["step"], again["live"]) == ("finished", last_step, None)
    assert [one["step"] for one in again["checkpoints"]][-1] == last_step
    assert again["checkpoints"] == page.wait_for("Finished")["checkpoints"]
    assert [one["key"] for one in again["warnings"]] == [
        event["message"]["key"] for event in page.heard if event["event"] == "Warned"
    ]


def test_a_cancelled_run_says_so_and_goes_on(server: ComfyServer) -> None:
    graph = pocket_graph(server.get("/object_info"), run_name="cancelled here", total_steps=2000, save_every=1000)
    run_id = slug("cancelled here")
    with Onlooker(server) as page:
        prompt_id = server.post("/prompt", {"prompt": graph})["prompt_id"]
        page.wait_for("StepsDone", step=3)
        live = server.get(f"/zimage_lora/runs/{run_id}")["live"]
        server.post("/interrupt", {"prompt_id": live["prompt_id"]})
        stopped = page.wait_for("Stopped")
        shown = server.get(f"/zimage_lora/runs/{run_id}")
        assert (shown["run"]["state"], shown["run"]["step"], shown["live"]) == ("stopped", stopped["step"], None)
        server.history(prompt_id)
        assert page.heard[-1]["event"] == "Stopped"


def test_a_run_that_another_program_trains_is_shown_as_that_and_the_error_is_told(server: ComfyServer) -> None:
    graph = pocket_graph(server.get("/object_info"), run_name="taken", total_steps=20, save_every=10)
    run_id, run_dir = slug("taken"), server.base_dir / "output/zimage_lora/taken"
    node_id = node_of(graph, "TrainZImageLoRA")
    assert server.run(graph, only=[node_id]).status == "success"
    graph[node_id]["inputs"]["total_steps"] = 30
    with hold_run(run_dir, "taken"), Onlooker(server) as page:
        assert server.get(f"/zimage_lora/runs/{run_id}")["run"]["state"] == "elsewhere"
        assert server.run(graph, only=[node_id]).status == "error"
        failed = page.wait_for("Failed")
    assert failed["message"]["key"] == "train.run_in_use" and "taken" in failed["message"]["text"]["zh"]
    assert server.get(f"/zimage_lora/runs/{run_id}")["run"]["state"] == "finished"
