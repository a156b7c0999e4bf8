"""An export is complete, reads as a hub reads it, and tells nothing of the computer or the photos it was made from."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import PIL.Image
import pytest
import yaml
from safetensors import safe_open
from safetensors.torch import load_file

from tests.trainer.lora_layouts import LAYOUTS, pairs, standard
from trainer.publish.config import PublishConfig
from trainer.publish.export import publish
from trainer.publish.privacy import public_metadata, without_folders
from trainer.sweep.scores import CellScore, RowScore, Scores, as_json
from trainer.sweep.scoring.estimate import Estimate
from trainer.training.keeping.checksums import is_whole

HOME = "/home/you/photos"
WINDOWS = "C:\\Users\\you 王\\My Photos"
CONFIG = {
    "linear_rank": 64, "learning_rate": 0.0001, "optimizer": "adamw8bit", "trigger_word": "zwx",
    "mask_folder": f"{HOME}/masks", "photo_repeats": "IMG_1234.jpg: 3",
}  # fmt: skip
METADATA = {
    "modelspec.title": "小雨", "modelspec.architecture": "z-image-turbo/lora", "zimage_lora.subject": "小雨",
    "zimage_lora.config": json.dumps(CONFIG), "zimage_lora.training_adapter": "adapter_v1.safetensors",
    "ss_sd_model_name": f"{WINDOWS}\\models\\z image.safetensors", "ss_dataset_dirs": json.dumps({f"{HOME}/10_x": {}}),
    "software": json.dumps({"cmd": f"python {HOME}/train.py --out \"{HOME}/out\"", "url": "https://a.org/b/c"}),
}  # fmt: skip


@pytest.fixture
def lora_path(tmp_path: Path) -> Path:
    layout = standard(pairs(r"^layers\.0\.attention"))
    layout.metadata = METADATA
    return layout.write(tmp_path / "loras/小雨/小雨_000000250.safetensors")


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "runs/小雨"
    (folder / "sweep").mkdir(parents=True)
    photos = [
        {"path": f"{HOME}/IMG_{index}.jpg", "content_hash": f"{index}", "shot": shot, "faces": [], "caption": "secret"}
        for index, shot in enumerate(("close-up", "close-up", "full body", "unknown"))
    ]
    record = dict(identity={}, config=CONFIG, photos=photos, created="2026-11-22", earlier_configs=[])
    record["validation"] = {"held_out": ["2"]}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    lines = [{"step": step, "loss": 0.5, "photos": []} for step in range(1, 301)]
    lines += [{"validated": step, "losses": [[loss, loss]]} for step, loss in ((0, 0.9), (250, 0.4), (300, 0.6))]
    (folder / "events.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (folder / "sweep/scores.json").write_text(json.dumps(as_json(scores())), encoding="utf-8")
    return folder


def scores() -> Scores:
    """Of a sweep with one checkpoint, as the sweep itself writes them."""
    cell = CellScore(
        prompt="secret", seed=1, name=f"{HOME}/a.png", likeness=0.9, is_copy=False, nearest_photo="IMG_0.jpg"
    )
    likeness = Estimate(mean=0.91, standard_error=0.005, margin=0.012, num=4)
    rows = (
        RowScore(step=0, strength=0.0, cells=(cell,)),
        RowScore(step=250, strength=0.8, cells=(cell,), likeness=likeness, flexibility=0.75),
    )
    return Scores(
        rows=rows, scorer="CLIP vision", licence=None, notes=(), num_references=2, are_held_out=True, ceiling=0.95,
        recommended_step=250, recommended_strength=0.8, runner_up=None, reasons=(), remedies=(),
    )  # fmt: skip


def picture(colour: str) -> PIL.Image.Image:
    return PIL.Image.new("RGB", (640, 512), colour)


def head_of(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata()


def test_an_export_holds_lora_cover_pictures_grid_and_card(lora_path: Path, run_dir: Path, tmp_path: Path) -> None:
    config = PublishConfig(
        author="某人",
        description=("A | portrait.",),
        licence="cc-by-nc-4.0",
        prompts=("a photo of 小雨, 海边", "second one"),
    )
    made = publish(
        lora_path, config, tmp_path / "publish", images=[picture("red"), picture("blue")], grid=picture("green"),
        run_dir=run_dir, step=250,
    )  # fmt: skip
    names = {path.name for path in made.folder.iterdir()}
    assert names == {"小雨.safetensors", "cover.jpg", "image_02.jpg", "grid.jpg", "README.md"}
    assert load_file(made.folder / "小雨.safetensors").keys() == load_file(lora_path).keys()
    assert is_whole(made.folder / "小雨.safetensors", thorough=True)
    card = (made.folder / "README.md").read_text(encoding="utf-8")
    head = head_of(card)
    assert head["base_model"] == "Tongyi-MAI/Z-Image-Turbo" and head["license"] == "cc-by-nc-4.0"
    assert head["instance_prompt"] == "zwx a photo of 小雨" and {"lora", "text-to-image"} <= set(head["tags"])
    assert [entry["text"] for entry in head["widget"]] == ["a photo of 小雨, 海边", "second one"]
    assert all((made.folder / entry["output"]["url"]).is_file() for entry in head["widget"])
    parts = (
        "| photos | 4 |", "| close-up | 2 |", "| full body | 1 |", "| photos kept out of training | 1 |", "adapter_v1",
        "`linear_rank` | 64", "| 250 | 0.4000 |", "| 250 | 0.8 | 0.910 ± 0.012 | 0.75 | 0 | ✓ |", "![grid](grid.jpg)",
    )  # fmt: skip
    assert [part for part in parts if part not in card] == []
    assert "| 300 |" not in card  # a later step's figures


def test_metadata_is_complete_and_its_thumbnail_small(lora_path: Path, tmp_path: Path) -> None:
    config = PublishConfig(title="我的 LoRA", author="某人", licence="mit")
    made = publish(lora_path, config, tmp_path / "publish", images=[picture("red")])
    path = made.folder / "我的 LoRA.safetensors"
    found = metadata_of(path)
    wanted = {"modelspec.title": "我的 LoRA", "modelspec.author": "某人", "modelspec.license": "mit"}
    assert wanted.items() <= found.items() and found["modelspec.trigger_phrase"] == "zwx a photo of 小雨"
    for name in ("sai_model_spec", "architecture", "tags", "usage_hint", "hash_sha256"):
        assert found[f"modelspec.{name}"]
    kind, data = found["modelspec.thumbnail"].split(",")
    thumbnail = PIL.Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == "data:image/jpeg;base64" and max(thumbnail.size) == 256


def test_nothing_in_an_export_names_a_folder_a_photo_or_a_caption(
    lora_path: Path, run_dir: Path, tmp_path: Path
) -> None:
    config = PublishConfig(description=(f"made in {HOME}/x.png",), author=f"me ({WINDOWS}\\me.txt)")
    made = publish(lora_path, config, tmp_path / "publish", grid=picture("red"), run_dir=run_dir, step=250)
    for path in made.folder.iterdir():
        content = path.read_bytes()
        for secret in (HOME, "/home", "C:\\", "Users", "My Photos", "IMG_", "secret", str(tmp_path)):
            assert secret.encode() not in content, (path.name, secret)
            assert json.dumps(secret)[1:-1].encode() not in content, (path.name, secret)
    kept = metadata_of(made.folder / "小雨.safetensors")
    assert "z image.safetensors" in kept["ss_sd_model_name"] and "https://a.org/b/c" in kept["software"]


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("/data/a b/model.safetensors", "model.safetensors"),
        ("D:\\KI\\LoRA\\x.safetensors", "x.safetensors"),
        ("\\\\server\\share\\fotos", "fotos"),
        ("see /home/me/a.txt and ~/x/b.txt", "see a.txt and b.txt"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("and/or, 3/4, a photo of 小雨", "and/or, 3/4, a photo of 小雨"),
        ('{"a": ["/home/me/x", 3]}', '{"a": ["x", 3]}'),
        ("", ""),
    ],
)
def test_paths_lose_their_folders_and_nothing_else_changes(text: str, public: str) -> None:
    assert without_folders(text) == public


def test_settings_that_name_folders_and_photos_are_left_out() -> None:
    config = json.loads(public_metadata(METADATA)["zimage_lora.config"])
    assert config["linear_rank"] == 64 and not {"mask_folder", "photo_repeats"} & set(config)


def test_a_header_beyond_a_megabyte_loses_its_largest_foreign_entries_and_says_so(tmp_path: Path) -> None:
    layout = standard(pairs(r"^layers\.0\.attention"))
    layout.metadata = {"ss_tag_frequency": "x" * 1_500_000, "ss_small": "kept"}
    made = publish(layout.write(tmp_path / "a.safetensors"), PublishConfig(), tmp_path / "publish")
    data = (made.folder / "a.safetensors").read_bytes()
    assert int.from_bytes(data[:8], "little") <= 1_000_000
    found = metadata_of(made.folder / "a.safetensors")
    assert "ss_small" in found and "ss_tag_frequency" not in found
    assert [message.key for message in made.messages] == ["publish.done", "publish.dropped", "publish.no_cover"]


def test_a_lora_of_another_program_is_exported_in_the_standard_format(tmp_path: Path) -> None:
    path = LAYOUTS["onetrainer"](pairs(r"^layers\.0\.attention")).write(tmp_path / "a.safetensors")
    made = publish(path, PublishConfig(title="a/b: c"), tmp_path / "publish", language="zh")
    (file,) = made.folder.glob("*.safetensors")
    assert all(name.startswith("diffusion_model.layers.0.attention.to_") for name in load_file(file))
    assert made.folder.parent == tmp_path / "publish"
    assert "使用方法" in (made.folder / "README.md").read_text(encoding="utf-8")


def test_an_export_of_the_same_title_is_replaced_whole(lora_path: Path, tmp_path: Path) -> None:
    first = publish(lora_path, PublishConfig(), tmp_path / "publish", images=[picture("red")])
    second = publish(lora_path, PublishConfig(), tmp_path / "publish")
    assert first.folder == second.folder and not (second.folder / "cover.jpg").exists()
    assert [path.name for path in (tmp_path / "publish").iterdir()] == ["小雨"]
