"""The quick start in a real ComfyUI: queued through its API with the pocket model, it trains, sweeps and applies."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.comfyui.fixtures import POCKET
from tests.comfyui.server import PACK_NAME, ComfyServer, Graph, QueueRefused, Ran
from tests.comfyui.test_pocket_nodes import PROMPT, probe_graph, relative, write_probe_input
from tests.comfyui.workflow import node_of, pocket_graph

pytestmark = pytest.mark.comfyui

NUM_STEPS = 24
EVENT = "zimage_lora.event"


@pytest.fixture(scope="module")
def object_info(server: ComfyServer) -> dict[str, Any]:
    return server.get("/object_info")


@pytest.fixture(scope="module")
def graph(object_info: dict[str, Any]) -> Graph:
    return pocket_graph(object_info, run_name="quick")


@pytest.fixture(scope="module")
def ran(server: ComfyServer, graph: Graph) -> Ran:
    """The whole graph, queued once."""
    return server.run(graph)


@pytest.fixture(scope="module")
def lora_path(server: ComfyServer, ran: Ran) -> Path:
    """The last checkpoint."""
    return server.base_dir / f"models/loras/quick/quick_{NUM_STEPS:09d}.safetensors"


def events(ran: Ran, kind: str) -> list[dict]:
    """Our broadcast events of a kind."""
    return [data for data in ran.of_type(EVENT) if data["event"] == kind]


def executed(ran: Ran, graph: Graph) -> set[str]:
    """The types of the nodes that ran."""
    return {graph[data["node"]]["class_type"] for data in ran.of_type("executing") if data["node"]}


def test_start_up_log_has_no_error_of_ours(server: ComfyServer) -> None:
    log = server.log().partition("got prompt")[0]  # later lines belong to tests that are refused on purpose
    assert PACK_NAME in log
    for word in ("IMPORT FAILED", "comfy_entrypoint", "Traceback", "could not be loaded"):
        assert word not in log


def test_quick_start_trains_sweeps_and_applies(server: ComfyServer, graph: Graph, ran: Ran) -> None:
    assert ran.status == "success", ran.error
    names = sorted(path.name for path in (server.base_dir / "models/loras/quick").iterdir())
    assert names == ["quick_000000016.safetensors", "quick_000000024.safetensors"]
    (grid,) = ran.output(node_of(graph, "CheckpointSweep"))["images"]
    assert (server.base_dir / grid["type"] / grid["subfolder"] / grid["filename"]).stat().st_size > 0
    saved = [node_id for node_id, node in graph.items() if node["class_type"] == "SaveImage"]
    assert len(saved) == 3 and all(ran.output(node_id)["images"] for node_id in saved)
    assert re.search(r"\b32\b", ran.output(node_of(graph, "ApplyLoRA"))["text"][0])  # 4 layers of 8 modules


def test_progress_text_and_events_arrive_on_the_websocket(graph: Graph, ran: Ran) -> None:
    node_id = node_of(graph, "TrainZImageLoRA")
    bars = [data for data in ran.of_type("progress") if data["node"] == node_id]
    assert bars[-1]["value"] == bars[-1]["max"] == NUM_STEPS
    lines = [text for id_, text in ran.texts if id_ == node_id]
    assert any(re.search(rf"\d+/{NUM_STEPS}.*loss.*left", line) for line in lines), lines
    told = [step for data in events(ran, "StepsDone") for step in data["steps"]]
    assert told == list(range(1, NUM_STEPS + 1))


def test_memory_is_given_back_after_training(server: ComfyServer, ran: Ran) -> None:
    counted = server.run({"1": {"class_type": "PocketCountTransformers", "inputs": {}}})
    assert counted.output("1")["transformers"] == [0]


@torch.no_grad()
def test_saved_lora_in_core_loader_equals_the_trained_module(server: ComfyServer, lora_path: Path) -> None:
    from diffusers import ZImageTransformer2DModel

    from trainer.training.config import TrainConfig
    from trainer.training.network.lora import FILE_PREFIX, add_lora

    given = write_probe_input(server.base_dir / "input/probe.safetensors")
    lora_name = lora_path.relative_to(server.base_dir / "models/loras").as_posix()
    loader = {"model": ["1", 0], "lora_name": lora_name, "strength_model": 1.0}
    graph = probe_graph(PROMPT, "probe.safetensors", model="4")
    graph["4"] = {"class_type": "LoraLoaderModelOnly", "inputs": loader}
    already = len(server.log())
    assert server.run(graph).status == "success"
    said = server.log()[already:]
    assert "lora key not loaded" not in said and "NOT LOADED" not in said
    made = load_file(server.base_dir / "output/probe.safetensors")

    transformer = ZImageTransformer2DModel.from_pretrained(POCKET / "model/transformer", torch_dtype=torch.float32)
    inputs = [given["noisy"][0][:, None]], 1 - given["sigma"], [made["text"][0]]
    untrained = -transformer(*inputs, return_dict=False)[0][0][None, :, 0]
    masters = add_lora(transformer, TrainConfig(linear_rank=8), torch.Generator())
    saved = load_file(lora_path)
    assert {FILE_PREFIX + name for name in masters} == set(saved)
    for name, master in masters.items():
        master.copy_(saved[FILE_PREFIX + name])  # bf16, as a user's file is
    trained = -transformer(*inputs, return_dict=False)[0][0][None, :, 0]
    assert relative(made["velocity"], trained) <= 1e-4
    assert relative(untrained, trained) > 1e-2


def test_encoded_dataset_equals_that_of_the_diffusers_folder(server: ComfyServer, ran: Ran, tmp_path: Path) -> None:
    from trainer.captions.caption import caption_photos
    from trainer.captions.config import CaptionConfig
    from trainer.photos.load import load_photos
    from trainer.training.config import TrainConfig
    from trainer.training.data.encode import plan_encoding
    from trainer.training.data.filling import fill_cache
    from trainer.training.model.diffusers_encoders import DiffusersEncoders

    record = json.loads((server.base_dir / "output/zimage_lora/quick/run.json").read_text(encoding="utf-8"))
    learned = {photo["content_hash"] for photo in record["photos"]}
    folders = (server.base_dir / "output/zimage_lora/photos").glob("mila-*")  # other tests have theirs there
    sets = [load_photos(folder, recursive=False) for folder in folders]
    photos = next(found for found in sets if {photo.content_hash for photo in found.photos} == learned)
    dataset = caption_photos(photos, CaptionConfig(subject="Mila"))
    encoders = DiffusersEncoders(POCKET / "model", torch.device("cpu"))
    plan, _ = plan_encoding(dataset, TrainConfig(training_resolution=128), encoders)
    list(fill_cache(plan, encoders, tmp_path, torch.device("cpu")))
    for kind in ("text", "latents"):
        sockets = cached(server.base_dir / "output/zimage_lora/quick/cache", kind)
        folder = cached(tmp_path, kind)
        assert len(sockets) == len(folder) > 0
        for tensor in folder:  # the files are named after the encoder too, so that only what is in them can agree
            assert min(relative(other, tensor) for other in sockets if other.shape == tensor.shape) <= 1e-4


def cached(folder: Path, kind: str) -> list[torch.Tensor]:
    """All tensors of a kind in a run's cache."""
    return [load_file(path)[kind] for path in folder.glob(f"{kind}-*.safetensors")]


def test_auto_caption_can_be_queued_alone(server: ComfyServer, object_info: dict[str, Any]) -> None:
    shutil.copytree(server.base_dir / "input/mila", server.base_dir / "input/captioned alone")
    graph = pocket_graph(object_info, photos="captioned alone", run_name="captions")
    node_id = node_of(graph, "AutoCaption")
    alone = server.run(graph, only=[node_id])
    assert alone.status == "success", alone.error
    assert executed(alone, graph) == {"LoadPhotoFolder", "CleanAndResize", "AutoCaption"}
    assert "a photo of Mila" in alone.output(node_id)["text"][0]
    (copies,) = (server.base_dir / "output/zimage_lora/photos").glob("captioned alone-*")
    assert {path.read_text(encoding="utf-8") for path in copies.glob("*.txt")} == {"a photo of Mila"}
    assert not list((server.base_dir / "input/captioned alone").glob("*.txt"))


def test_cancel_saves_and_the_same_graph_again_resumes(server: ComfyServer, object_info: dict[str, Any]) -> None:
    graph = pocket_graph(object_info, run_name="cancelled")
    node_id = node_of(graph, "TrainZImageLoRA")

    asked: list[int] = []

    def cancel_at_step_5(message: dict) -> None:
        data = message["data"]
        if message["type"] == EVENT and data.get("event") == "StepsDone" and data["step"] >= 5 and not asked:
            asked.append(data["step"])
            server.interrupt()

    cancelled = server.run(graph, only=[node_id], on_message=cancel_at_step_5)
    assert cancelled.of_type("execution_interrupted") and cancelled.status == "error"
    (stopped,) = events(cancelled, "Stopped")
    assert 5 <= stopped["step"] < NUM_STEPS

    again = server.run(graph, only=[node_id])
    assert again.status == "success", again.error
    (started,) = events(again, "Started")
    assert started["first_step"] == stopped["step"] + 1
    lines = (server.base_dir / "output/zimage_lora/cancelled/events.jsonl").read_text().splitlines()
    steps = [json.loads(line).get("step") for line in lines]
    assert [step for step in steps if step] == list(range(1, NUM_STEPS + 1))


def error_of(server: ComfyServer, graph: Graph, node_type: str) -> str:
    """The sentence a user reads: in the error dialog, or on the node where ComfyUI refuses the queue itself."""
    try:
        return server.run(graph, only=[node_of(graph, node_type)]).error
    except QueueRefused as refused:
        return json.dumps(refused.answer)


def test_bad_inputs_are_answered_with_what_where_and_what_to_do(
    server: ComfyServer, object_info: dict[str, Any], pocket_files: Path
) -> None:
    gone = error_of(server, pocket_graph(object_info, photos="/no/such/folder", run_name="bad"), "AutoCaption")
    assert "/no/such/folder" in gone

    models_dir = server.base_dir / "models/diffusion_models"
    shutil.copy(pocket_files / "pocket_ae.safetensors", models_dir / "a_vae.safetensors")
    (models_dir / "quantised.safetensors").write_bytes(b"GGUF" + bytes(100))
    vae = error_of(server, pocket_graph(object_info, run_name="bad", model="a_vae.safetensors"), "TrainZImageLoRA")
    assert "a_vae.safetensors" in vae and "Z-Image" in vae
    gguf = error_of(server, pocket_graph(object_info, run_name="bad", model="quantised.safetensors"), "TrainZImageLoRA")
    assert "quantised.safetensors" in gguf and "GGUF" in gguf

    no_adapter = error_of(server, pocket_graph(object_info, run_name="bad", training_adapter="auto"), "TrainZImageLoRA")
    for part in ("zimage_turbo_training_adapter_v2.safetensors", "huggingface.co/ostris", "/models/loras"):
        assert part in no_adapter
    assert not (server.base_dir / "output/zimage_lora/bad").exists()


def restart(server: ComfyServer) -> None:
    """The same server with nothing in memory."""
    server.stop()
    server.start()


def waiting_share() -> float:
    """How many times longer than its own work a program takes here now: 1 on a machine with nothing else to do."""
    wall_s, own_s = time.perf_counter(), time.thread_time()
    while time.thread_time() - own_s < 0.2:
        pass
    return (time.perf_counter() - wall_s) / (time.thread_time() - own_s)


def test_finished_run_queued_again_returns_in_under_2_seconds(server: ComfyServer, graph: Graph, ran: Ran) -> None:
    node_id = node_of(graph, "TrainZImageLoRA")
    assert server.run(graph, only=[node_id]).seconds < 2 * waiting_share()
    for _ in range(3):  # other programs make a machine slow for a while: one quick start in three is proof enough
        restart(server)
        again = server.run(graph, only=[node_id])
        if is_quick := again.seconds < 2 * waiting_share():
            break
    assert again.status == "success" and is_quick
    assert "TrainZImageLoRA" in executed(again, graph) and "PocketClipLoader" not in executed(again, graph)
    assert again.output(node_id)["text"]


def test_import_takes_less_than_50_ms(server: ComfyServer) -> None:
    # Processor time within the server. The first start compiles the bytecode, and other programs wear the caches out:
    # the fastest of a few starts counts.
    def fastest_ms() -> float:
        return min(map(float, re.findall(rf"imported \S*{PACK_NAME} in ([\d.]+) ms", server.log())))

    for _ in range(3):
        if fastest_ms() >= 50:
            restart(server)
    assert fastest_ms() < 50
