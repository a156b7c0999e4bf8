"""Finish now and save now in a real ComfyUI, through our routes, while the quick start trains."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.comfyui.server import ComfyServer, Graph
from tests.comfyui.workflow import node_of, pocket_changes, pocket_version, quick_start, to_api, widget_names

pytestmark = pytest.mark.comfyui

EVENT = "zimage_lora.event"


def status_of(server: ComfyServer, path: str, method: str = "POST") -> tuple[int, dict[str, Any]]:
    """The status of a request without a body, and the JSON it answers, if any."""
    request = urllib.request.Request(server.url + path, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else {}


def named_graph(object_info: dict[str, Any], *, run_name: str, **training: Any) -> Graph:
    """The quick start, small; widgets are taken by name, and those it does not know yet have their defaults."""
    workflow = quick_start()
    for node in workflow["nodes"]:
        named = node.get("widgets_values_named")
        if named and node["type"] in object_info:
            specs = object_info[node["type"]]["input"]
            defaults = {
                name: (rest[0] if rest else {}).get("default")
                for kind in ("required", "optional")
                for name, (_, *rest) in specs.get(kind, {}).items()
            }
            names = widget_names(node["type"], object_info)
            node["widgets_values"] = [named.get(name, defaults.get(name)) if name else "fixed" for name in names]
    changes = pocket_changes("mila", run_name)
    changes["TrainZImageLoRA"] |= training
    return to_api(pocket_version(workflow, object_info, changes), object_info)


@pytest.mark.parametrize("run_id", ["..", "a", "A-0123abcd", "..%2f..%2frun-0123abcd", "merlina-0123abcd%00", "x" * 99])
def test_what_is_no_run_id_is_refused(server: ComfyServer, run_id: str) -> None:
    for ask in ("finish", "save"):
        assert status_of(server, f"/zimage_lora/runs/{run_id}/{ask}")[0] in (400, 404, 405)


def test_a_run_that_is_not_training_is_said(server: ComfyServer) -> None:
    status, answer = status_of(server, "/zimage_lora/runs/merlina-0123abcd/finish")
    assert status == 404 and "merlina-0123abcd" in answer["error"]
    assert status_of(server, "/zimage_lora/runs/BAD/save")[0] == 400


def test_reading_changes_nothing(server: ComfyServer) -> None:
    assert status_of(server, "/zimage_lora/runs/merlina-0123abcd/finish", "GET")[0] in (404, 405)


def test_save_now_goes_on_and_finish_now_ends_the_training_so_that_the_next_nodes_run(server: ComfyServer) -> None:
    graph = named_graph(server.get("/object_info"), run_name="in a hurry", total_steps=2000, save_every=500)
    answers: list[tuple[int, dict]] = []

    def ask(message: dict) -> None:
        data = message["data"]
        if message["type"] == EVENT and data["event"] == "StepDone" and data["step"] in (2, 5):
            what = "save" if data["step"] == 2 else "finish"
            answers.append(status_of(server, f"/api/zimage_lora/runs/{data['run']}/{what}"))

    ran = server.run(graph, on_message=ask)
    assert ran.status == "success", ran.error
    assert [status for status, _ in answers] == [200, 200] and answers[0][1]["run"].startswith("in-a-hurry-")
    steps = [data["step"] for data in ran.of_type(EVENT) if data["event"] == "StepDone"]
    saved = [data["checkpoint"]["step"] for data in ran.of_type(EVENT) if data["event"] == "CheckpointSaved"]
    # The websocket is a little behind the training.
    assert steps == list(range(1, len(steps) + 1)) and 5 <= len(steps) < 2000
    assert len(saved) == 2 and 2 <= saved[0] < saved[1] == len(steps)
    names = sorted(path.name for path in (server.base_dir / "models/loras/in a hurry").glob("*.safetensors"))
    assert names == [f"in a hurry_{step:09d}.safetensors" for step in saved]
    assert ran.output(node_of(graph, "ApplyLoRA"))["text"], "the nodes after the training did not run"
    (said,) = ran.output(node_of(graph, "TrainZImageLoRA"))["text"]
    assert f"step {saved[1]} of 2000" in said
    record = json.loads((Path(server.base_dir) / "output/zimage_lora/in a hurry/run.json").read_text())
    assert record["finished_early"] == {"step": saved[1], "total_steps": 2000}

    again = server.run(graph, only=[node_of(graph, "TrainZImageLoRA")])
    assert again.status == "success" and not [data for data in again.of_type(EVENT) if data["event"] == "StepDone"]
    assert status_of(server, f"/zimage_lora/runs/{answers[0][1]['run']}/finish")[0] == 404
