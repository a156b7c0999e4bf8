"""Photos looked at by a vision language model in a real ComfyUI: a tiny Qwen3-VL of core's own classes on our socket.

Its random weights say nothing of use, and that is told by name; trained for some seconds to tell red from blue, it
shows that what it sees reaches the captions.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.comfyui.server import REPOSITORY, ComfyServer, Graph, Ran, comfyui_path, comfyui_python

pytestmark = pytest.mark.comfyui

NUM_PHOTOS, RED = 6, (2, 5)
"""Photos `0.png` to `5.png` are blue but for two."""


@pytest.fixture(scope="module")
def trained_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model that tells red from blue, trained by ComfyUI's own Python."""
    path = tmp_path_factory.mktemp("vision") / "sees_colours.safetensors"
    script = Path(__file__).with_name("small_vision_model.py")
    command = [str(part) for part in (comfyui_python(), script, comfyui_path(), path)]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert ran.returncode == 0, ran.stderr[-4000:]
    return path


@pytest.fixture
def photos(server: ComfyServer) -> Iterator[Path]:
    """Six photos in input/, and no memory of any answer."""
    folder = server.base_dir / "input/coloured"
    save_photos(folder, range(NUM_PHOTOS))
    yield folder
    shutil.rmtree(folder)
    shutil.rmtree(server.base_dir / "output/zimage_lora/memo", ignore_errors=True)
    log_path(server).unlink(missing_ok=True)


def save_photos(folder: Path, indices: range) -> None:
    folder.mkdir(exist_ok=True)
    for index in indices:
        pixels = np.random.default_rng(index).integers(0, 60, (96, 64 + 32 * (index % 3), 3), dtype=np.uint8)
        pixels[..., 0 if index in RED else 2] += 190
        Image.fromarray(pixels).save(folder / f"{index}.png")


def keep_two(photos: Path) -> None:
    for path in sorted(photos.iterdir())[2:]:
        path.unlink()


def log_path(server: ComfyServer) -> Path:
    return server.base_dir / "output/asked.log"


def times_s(server: ComfyServer, what: str) -> list[float]:
    """When the model was `asked`, or said a `token` that took its time, since the photos were made."""
    path = log_path(server)
    lines = path.read_text().splitlines() if path.exists() else []
    return [float(line.split()[1]) for line in lines if line.startswith(what)]


def num_asked(server: ComfyServer) -> int:
    return len(times_s(server, "asked"))


def wait_until(happened: Callable[[], bool], limit_s: float = 200) -> None:
    deadline_s = time.monotonic() + limit_s
    while not happened():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def graph(photos: Path, weights: str = "", pause_s: float = 0.0, **widgets: Any) -> Graph:
    """Photos, the tiny model and AutoCaption; every run is another one for ComfyUI's own cache."""
    caption = {"subject": "Mila", "template": "a photo of [subject]", "class_word": "woman", **widgets}
    clip = {"weights": weights, "pause_s": pause_s, "run": time.time()}
    return {
        "1": {"class_type": "LoadPhotoFolder", "inputs": {"folder": photos.name, "recursive": False}},
        "2": {"class_type": "PocketVisionLoader", "inputs": clip},
        "3": {"class_type": "AutoCaption", "inputs": {**caption, "photos": ["1", 0], "clip": ["2", 0]}},
    }


def captions(ran: Ran) -> list[str]:
    assert ran.status == "success", ran.error
    rows = sorted(ran.output("3")["zimage_lora_captions"], key=lambda row: row["name"])
    return [row["caption"] for row in rows]


def test_what_the_model_sees_becomes_features_and_is_asked_once(
    server: ComfyServer, photos: Path, trained_file: Path
) -> None:
    ran = server.run(graph(photos, str(trained_file)))
    assert captions(ran) == [
        f"a photo of Mila{' with ponytail' if index in RED else ''}" for index in range(NUM_PHOTOS)
    ], "the model says ponytail of what is red"
    print(*captions(ran), sep="\n")
    assert num_asked(server) == NUM_PHOTOS
    again = server.run(graph(photos, str(trained_file)))
    assert captions(again) == captions(ran) and num_asked(server) == NUM_PHOTOS
    save_photos(photos, range(NUM_PHOTOS, NUM_PHOTOS + 2))
    more = server.run(graph(photos, str(trained_file)))
    assert len(captions(more)) == NUM_PHOTOS + 2 and num_asked(server) == NUM_PHOTOS + 2


def test_what_the_model_sees_becomes_sentences(server: ComfyServer, photos: Path, trained_file: Path) -> None:
    ran = server.run(graph(photos, str(trained_file), vision="full"))
    assert captions(ran) == [
        f"a photo of Mila in a {'red' if index in RED else 'blue'} room" for index in range(NUM_PHOTOS)
    ]
    print(*captions(ran), sep="\n")
    origins = {row["origin"] for row in ran.output("3")["zimage_lora_captions"]}
    assert origins == {"vision"} and num_asked(server) == NUM_PHOTOS


def test_random_weights_say_nothing_of_use_and_the_rest_goes_on(server: ComfyServer, photos: Path) -> None:
    keep_two(photos)
    ran = server.run(graph(photos, vision="full"))
    assert captions(ran) == ["a photo of Mila"] * 2
    assert num_asked(server) == 2
    (told,) = [line for line in ran.output("3")["text"][0].splitlines() if "did not come to an end" in line]
    assert "0.png" in told and "(2 in all)" in told
    server.run(graph(photos, vision="full"))
    assert num_asked(server) == 2, "it would say the same again"


def test_cancel_stops_at_the_next_token_and_what_is_done_stays(server: ComfyServer, photos: Path) -> None:
    pause_s = 0.05
    button: list[float] = []

    def press_cancel_in_the_third_answer() -> None:
        wait_until(lambda: num_asked(server) == 3 and max(times_s(server, "token")) > max(times_s(server, "asked")))
        server.interrupt()
        button.append(time.time())

    with ThreadPoolExecutor(1) as pool:
        pressed = pool.submit(press_cancel_in_the_third_answer)
        cancelled = server.run(graph(photos, pause_s=pause_s))
        pressed.result()
    assert cancelled.status == "error" and cancelled.of_type("execution_interrupted")
    num_after = sum(token_s > button[0] for token_s in times_s(server, "token"))
    num_said = sum(token_s > times_s(server, "asked")[2] for token_s in times_s(server, "token"))
    print(f"cancelled in the third answer after {num_said} of 128 tokens, {num_after} of them after the button")
    assert num_after <= 0.1 / pause_s + 2, "ComfyUI looks for a Cancel ten times a second"
    assert num_said < 128 / 2 and num_asked(server) == 3
    resumed = server.run(graph(photos))
    assert len(captions(resumed)) == NUM_PHOTOS
    assert num_asked(server) - 3 == NUM_PHOTOS - 2, "only those without an answer are asked about"


def test_the_bar_counts_photos_and_not_tokens(server: ComfyServer, photos: Path) -> None:
    keep_two(photos)
    ran = server.run(graph(photos, vision="full"))
    bars = {data["max"] for data in ran.of_type("progress") if data["node"] == "3"}
    assert bars == {2}
    assert any("0.png" in text for node, text in ran.texts if node == "3")


def test_z_images_own_text_encoder_is_refused_by_name(server: ComfyServer, photos: Path) -> None:
    blind = graph(photos)
    blind["2"] = {"class_type": "PocketClipLoader", "inputs": {"clip_name": "pocket_qwen_3.safetensors"}}
    ran = server.run(blind)
    assert ran.status == "error"
    assert num_asked(server) == 0
    assert "qwen3_4b" in ran.error and "does not see" in ran.error and "qwen3vl_4b_fp8_scaled.safetensors" in ran.error


def test_a_file_without_weights_for_seeing_is_refused_by_name(
    server: ComfyServer, photos: Path, trained_file: Path
) -> None:
    tensors = load_file(trained_file)
    blind_file = trained_file.with_name("no_eyes.safetensors")
    save_file({name: part for name, part in tensors.items() if ".visual." not in name}, blind_file)
    ran = server.run(graph(photos, str(blind_file)))
    assert "no_eyes.safetensors" in ran.error and "does not see" in ran.error
    assert num_asked(server) == 0


_ASK_QWEN3VL = """
import sys
from pathlib import Path
import torch
from PIL import Image
sys.path.insert(0, sys.argv[1])
from tests.trainer.small_vision_model import save_small_qwen3vl
from trainer.captions.vision.transformers_captioner import transformers_captioner
folder = Path(sys.argv[2]) / "qwen3vl"
save_small_qwen3vl(folder, Path(sys.argv[1]) / "pocket" / "model" / "tokenizer")
captioner = transformers_captioner(folder, torch.device("cpu"))
red, noise = Image.new("RGB", (96, 64), (200, 30, 30)), Image.effect_noise((96, 64), 90).convert("RGB")
said = [captioner.answer(picture, "What is it?", 16) for picture in (red, red, noise)]
assert said[0] == said[1] != said[2] and said[0].is_cut, said
print("ok", said)
"""


def test_qwen3vl_in_a_folder_answers_through_transformers(tmp_path: Path) -> None:
    """Here because its processor needs torchvision, which ComfyUI has."""
    command = [comfyui_python(), "-c", _ASK_QWEN3VL, str(REPOSITORY), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert ran.stdout.startswith("ok"), ran.stderr[-4000:]
