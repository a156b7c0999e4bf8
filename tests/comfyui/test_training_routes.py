"""Our routes in a real ComfyUI: what they refuse, and finish now and save now while the quick start trains."""

from __future__ import annotations

import json
import random
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.comfyui.server import ComfyServer
from tests.comfyui.workflow import node_of, pocket_graph

pytestmark = pytest.mark.comfyui

EVENT = "zimage_lora.event"


def status_of(
    server: ComfyServer, path: str, method: str = "POST", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """The status of a request without a body, and the JSON it answers, if any."""
    request = urllib.request.Request(server.url + path, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else {}


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
    for path in ("", "/merlina-0123abcd"):
        assert status_of(server, f"/zimage_lora/runs{path}", "POST")[0] in (404, 405)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        # ComfyUI itself compares no origins where it is asked by another name than that of this machine.
        {"Host": "192.168.1.7:8188", "Origin": "http://evil.example"},
        {"Host": "comfy.example", "Origin": "http://evil.example"},
    ],
)
def test_a_page_of_another_origin_is_refused(server: ComfyServer, headers: dict[str, str]) -> None:
    for path, method in (("", "GET"), ("/merlina-0123abcd", "GET"), ("/merlina-0123abcd/finish", "POST"),
                         ("/merlina-0123abcd/save", "POST")):  # fmt: skip
        for before in ("", "/api"):
            assert status_of(server, f"{before}/zimage_lora/runs{path}", method, headers)[0] == 403
    own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    assert status_of(server, "/zimage_lora/runs", "GET", own)[0] == 200
    assert status_of(server, "/zimage_lora/runs/merlina-0123abcd/finish", "POST", own)[0] == 404


def awkward_ids(num: int) -> list[bytes]:
    """Ids that lead elsewhere, or would: for a URL as it is sent."""
    dice = random.Random(7)
    parts = [
        b"..", b".", b"%2e%2e", b"%2E.", b"/", b"%2f", b"%5c", b"\\", b"%00", b"%0a", b"%", b"%zz", b"%c0%ae", b"%25",
        b"secret", b"secret-0123abcd", b"run.json", b"events.jsonl", b"mila", b"-0123abcd", b"%e5%b0%8f%e7%ba%a2", b";",
        b"?", b"x" * 300, b"C:", b"~", b"%7e", b"etc/passwd", b"%ed%a0%80", b"CON", b"nul", b"%20", b"+", b"&", b"=",
    ]  # fmt: skip
    return [b"".join(dice.choices(parts, k=dice.randint(1, 6))) for _ in range(num)]


def answer_to(server: ComfyServer, method: bytes, path: bytes) -> bytes:
    """What comes back for a path sent byte by byte, as no client library would."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(method + b" " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(65536), b""))


def files_under(*folders: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and the time it was written."""
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def test_no_path_leads_out_of_the_run_folders(server: ComfyServer) -> None:
    """A run that lies outside, one whose folder is a link to it, and a thousand ways to ask for them."""
    outside, runs_dir = server.base_dir / "outside/secret", server.base_dir / "output/zimage_lora"
    outside.mkdir(parents=True)
    runs_dir.mkdir(parents=True, exist_ok=True)
    record = {"identity": {}, "config": {}, "photos": [], "created": "", "earlier_configs": [], "name": "SECRET 7781"}
    (outside / "run.json").write_text(json.dumps(record))
    (server.base_dir / "output/run.json").write_text(json.dumps(record))
    (runs_dir / "secret").symlink_to(outside, target_is_directory=True)
    before, logged = files_under(server.base_dir / "output", server.base_dir / "models", outside), len(server.log())
    ids = [*awkward_ids(1000), *(f"{name}-0123abcd".encode() for name in ("secret", "run", "mila"))]
    for number, run_id in enumerate(ids):
        method = (b"GET", b"POST")[number % 2]
        action = (b"", b"/finish", b"", b"/save")[number % 4]
        answer = answer_to(server, method, b"/zimage_lora/runs/" + run_id + action)
        status = int(answer[9:12])
        assert b"7781" not in answer and (status in (400, 403, 404, 405) or b"{" not in answer.split(b"\r\n\r\n")[1]), (
            run_id
        )
    assert "7781" not in json.dumps(server.get("/zimage_lora/runs"))
    assert files_under(server.base_dir / "output", server.base_dir / "models", outside) == before
    assert "Traceback" not in server.log()[logged:]


def test_save_now_goes_on_and_finish_now_ends_the_training_so_that_the_next_nodes_run(server: ComfyServer) -> None:
    graph = pocket_graph(server.get("/object_info"), run_name="in a hurry", total_steps=2000, save_every=500)
    answers: list[tuple[int, dict]] = []

    def ask(message: dict) -> None:
        data = message["data"]
        wanted = {0: ("save", 2), 1: ("finish", 5)}.get(len(answers))
        if message["type"] == EVENT and data["event"] == "StepsDone" and wanted and data["step"] >= wanted[1]:
            answers.append(status_of(server, f"/api/zimage_lora/runs/{data['run']}/{wanted[0]}"))

    ran = server.run(graph, on_message=ask)
    assert ran.status == "success", ran.error
    assert [status for status, _ in answers] == [200, 200] and answers[0][1]["run"].startswith("in-a-hurry-")
    steps = [step for data in ran.of_type(EVENT) if data["event"] == "StepsDone" for step in data["steps"]]
    saved = [data["step"] for data in ran.of_type(EVENT) if data["event"] == "CheckpointSaved"]
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
    assert again.status == "success" and not [data for data in again.of_type(EVENT) if data["event"] == "StepsDone"]
    assert again.output(node_of(graph, "TrainZImageLoRA"))["zimage_lora_run"] == [answers[0][1]["run"]]
    assert status_of(server, f"/zimage_lora/runs/{answers[0][1]['run']}/finish")[0] == 404
    shown = server.get(f"/zimage_lora/runs/{answers[0][1]['run']}")
    assert (shown["run"]["state"], shown["run"]["step"], shown["live"]) == ("finished", saved[1], None)
