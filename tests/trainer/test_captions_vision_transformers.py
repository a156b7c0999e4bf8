"""A vision language model in a local folder, run by transformers; folders that hold none are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import POCKET, save_photo
from tests.trainer.small_vision_model import copy_without, save_small_vision_model
from trainer.captions.config import FULL, CaptionConfig
from trainer.captions.vision.captioner import Answer
from trainer.captions.vision.look import look_at_photos
from trainer.captions.vision.transformers_captioner import transformers_captioner
from trainer.messages import UserError
from trainer.photos.memo import Memo

CPU = torch.device("cpu")
RED = Image.new("RGB", (90, 70), (200, 30, 30))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random LLaVA, as transformers saves it."""
    folder = tmp_path_factory.mktemp("vision") / "tiny-llava"
    save_small_vision_model(folder, POCKET / "tokenizer")
    return folder


def test_the_model_answers_the_same_every_time_and_looks_at_the_picture(folder: Path) -> None:
    captioner = transformers_captioner(folder, CPU)
    said = captioner.answer(RED, "What is it?", 12)
    assert isinstance(said, Answer) and said.text
    assert said.is_cut, "random weights find no end"
    assert transformers_captioner(folder, CPU).answer(RED, "What is it?", 12) == said
    noise = Image.effect_noise((90, 70), 90).convert("RGB")
    assert captioner.answer(noise, "What is it?", 12) != said
    assert captioner.answer(RED, "And now?", 12) != said


def test_an_answer_with_an_end_is_not_cut(folder: Path, tmp_path: Path) -> None:
    copied = copy_without(folder, tmp_path / "ends")
    settings = json.loads((folder / "generation_config.json").read_text())
    settings["eos_token_id"] = list(range(4096))  # whatever comes first is its end
    (copied / "generation_config.json").write_text(json.dumps(settings))
    assert not transformers_captioner(copied, CPU).answer(RED, "What is it?", 1).is_cut


def test_the_name_changes_with_weights_and_number_format(folder: Path, tmp_path: Path) -> None:
    names = {transformers_captioner(folder, CPU).name, transformers_captioner(folder, CPU, torch.bfloat16).name}
    changed = copy_without(folder, tmp_path / "tiny-llava")
    tensors = load_file(changed / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in tensors.items()}, changed / "model.safetensors", {"format": "pt"})
    names.add(transformers_captioner(changed, CPU).name)
    assert len(names) == 3
    assert transformers_captioner(folder, CPU).name in names


def test_photos_are_looked_at_by_path_and_answers_kept(folder: Path, tmp_path: Path) -> None:
    photos = [save_photo(tmp_path / f"{index}.png", 64, 64, seed=index) for index in range(2)]
    config, memo = CaptionConfig(subject="Mila", vision=FULL), Memo(tmp_path / "memo")
    seen = look_at_photos(photos, config, transformers_captioner(folder, CPU), memo)
    assert len(seen.sentences) + sum(int(str(warning.values["count"])) for warning in seen.warnings) == 2
    unasked = transformers_captioner(folder, CPU)
    assert look_at_photos(photos, config, unasked, memo) == seen
    assert "_model" not in vars(unasked), "its weights were not even loaded"


@pytest.mark.parametrize(
    "without, key",
    [
        (("config.json",), "captions.vision_no_folder"),
        (("*.safetensors",), "captions.vision_no_weights"),
        (("processor_config.json", "tokenizer*"), "captions.vision_no_processor"),
        (("processor_config.json",), "captions.vision_no_processor"),
        (("chat_template.jinja",), "captions.vision_no_chat_template"),
    ],
)
def test_a_folder_that_misses_something_is_refused_by_name(
    folder: Path, tmp_path: Path, without: tuple[str, ...], key: str
) -> None:
    poor = copy_without(folder, tmp_path / "poor", *without)
    with pytest.raises(UserError) as caught:
        transformers_captioner(poor, CPU)
    assert caught.value.message.key == key and caught.value.message.values["folder"] == poor


def test_models_that_cannot_see_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        transformers_captioner(POCKET / "text_encoder", CPU)
    assert caught.value.message.key == "captions.vision_not_vision"
    assert caught.value.message.values["kind"] == "qwen3"
    with pytest.raises(UserError) as caught:
        transformers_captioner(tmp_path / "nowhere", CPU)
    assert caught.value.message.key == "captions.vision_no_folder"
    (tmp_path / "config.json").write_text('{"model_type": "of my own", "auto_map": {"AutoConfig": "evil.Config"}}')
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(UserError) as caught:
        transformers_captioner(tmp_path, CPU)
    assert caught.value.message.key == "captions.vision_unreadable", "code in the folder is never run"


def test_weights_that_are_missing_or_damaged_are_refused(folder: Path, tmp_path: Path) -> None:
    poor = copy_without(folder, tmp_path / "poor")
    tensors = load_file(poor / "model.safetensors")
    left_out = next(name for name in tensors if "vision_tower" in name and name.endswith("weight"))
    save_file({name: part for name, part in tensors.items() if name != left_out}, poor / "model.safetensors",
              {"format": "pt"})  # fmt: skip
    with pytest.raises(UserError) as caught:
        transformers_captioner(poor, CPU).answer(RED, "?", 2)
    assert caught.value.message.key == "captions.vision_weights_missing"
    (poor / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(UserError) as caught:
        transformers_captioner(poor, CPU).answer(RED, "?", 2)
    assert caught.value.message.key == "captions.vision_unreadable"
