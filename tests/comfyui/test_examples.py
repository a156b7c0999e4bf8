"""The example workflows in a real ComfyUI, made small for the pocket model: each does what its note promises."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.comfyui.server import REPOSITORY, ComfyServer, Graph, Ran
from tests.comfyui.workflow import example, node_of, pocket_changes, pocket_version, to_api

pytestmark = pytest.mark.comfyui


@pytest.fixture(scope="module")
def object_info(server: ComfyServer) -> dict[str, Any]:
    return server.get("/object_info")


def small(name: str, object_info: dict[str, Any], run_name: str, photos: str = "mila", **training: Any) -> Graph:
    """An example for the API; `training` sets more widgets of TrainZImageLoRA."""
    changes = pocket_changes(photos, run_name)
    changes["TrainZImageLoRA"] |= training
    return to_api(pocket_version(example(name), object_info, changes), object_info)


def started_at(ran: Ran) -> list[int]:
    """The first step of each training that a queue began."""
    return [data["first_step"] for data in ran.of_type("zimage_lora.event") if data["event"] == "Started"]


@pytest.mark.parametrize(("name", "num_pictures"), [("02_full_guide", 3), ("03_low_vram", 1), ("05_batch", 1)])
def test_example_goes_from_photos_to_pictures(
    server: ComfyServer, object_info: dict[str, Any], name: str, num_pictures: int
) -> None:
    graph = small(name, object_info, run_name=name, total_steps=8, save_every=4)
    ran = server.run(graph)
    assert ran.status == "success", ran.error
    saved = [node_id for node_id, node in graph.items() if node["class_type"] == "SaveImage"]
    assert len(saved) == num_pictures and all(ran.output(node_id)["images"] for node_id in saved)
    assert len(list((server.base_dir / f"models/loras/{name}").iterdir())) == 2


def test_each_step_of_the_full_guide_runs_without_those_behind_it(
    server: ComfyServer, object_info: dict[str, Any]
) -> None:
    graph = small("02_full_guide", object_info, run_name="stepwise")
    before: set[str] = {"LoadPhotoFolder"}
    for kind in ("CleanAndResize", "DatasetReport", "AutoCaption"):
        ran = server.run(graph, only=[node_of(graph, kind)])
        assert ran.status == "success", ran.error
        before.add(kind)
        ran_types = {graph[data["node"]]["class_type"] for data in ran.of_type("executing") if data["node"]}
        assert ran_types <= before
    assert not (server.base_dir / "output/zimage_lora/stepwise").exists()


def test_resume_example_stops_goes_on_and_trains_longer(server: ComfyServer, object_info: dict[str, Any]) -> None:
    def stop_early(message: dict) -> None:
        data = message["data"]
        if message["type"] == "zimage_lora.event" and data.get("event") == "StepsDone" and data["step"] >= 3:
            server.interrupt()

    def train(limit: int, on_message: Callable[[dict], None] = lambda message: None) -> Ran:
        graph = small("04_resume", object_info, "longer", total_steps=limit, save_every=20)
        return server.run(graph, only=[node_of(graph, "TrainZImageLoRA")], on_message=on_message)

    assert train(60, stop_early).of_type("execution_interrupted")
    (first,) = started_at(again := train(60))
    assert again.status == "success" and first > 3
    assert started_at(longer := train(80)) == [61] and longer.status == "success"
    lines = (server.base_dir / "output/zimage_lora/longer/events.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line).get("step") for line in lines]
    assert [step for step in steps if step] == list(range(1, 81))
    kept = sorted(path.name for path in (server.base_dir / "models/loras/longer").iterdir())
    assert kept == ["longer_000000060.safetensors", "longer_000000080.safetensors"]


def batch_script(language: str) -> str:
    """The script in the help page."""
    page = (REPOSITORY / f"web/docs/TrainZImageLoRA/{language}.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    return script


def test_batch_script_trains_everybody_and_names_who_failed(
    server: ComfyServer, object_info: dict[str, Any], tmp_path: Path
) -> None:
    people = tmp_path / "people"
    for name in ("Mila", "小红"):
        shutil.copytree(server.base_dir / "input/mila", people / name)
    (people / "Nobody").mkdir()
    graph = small("05_batch", object_info, run_name="from the canvas", total_steps=8, save_every=4)
    (tmp_path / "workflow_api.json").write_text(json.dumps(graph), encoding="utf-8")
    script = batch_script("en").replace("http://127.0.0.1:8188", server.url)
    (tmp_path / "batch.py").write_text(script, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-X", "utf8", "batch.py", str(people)], cwd=tmp_path, capture_output=True, encoding="utf-8",
        timeout=600,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    said = dict(line.split(": ", 1) for line in ran.stdout.splitlines() if ": " in line)
    assert said["Mila"] == said["小红"] == "success", ran.stdout
    assert "Nobody" in said["Nobody"], "the error names the folder"
    for name in ("Mila", "小红"):
        assert len(list((server.base_dir / f"models/loras/{name}").glob("*.safetensors"))) == 2
