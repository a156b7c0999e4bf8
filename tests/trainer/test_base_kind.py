"""Kinds of base model: believed where the model tells, said where only its name does, asked for where nothing does."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from trainer.messages import UserError, sentence
from trainer.training.model.adapter import AdapterChoice, choose_adapter
from trainer.training.model.base_kind import Recognised, recognise
from trainer.training.model.zimage import BaseModel, find_base_model
from trainer.training.telling.events import Started, Warned

UNKNOWN = Recognised()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("z_image_turbo_bf16.safetensors", "turbo"),
        ("Z-Image-Turbo-fp8_scaled.safetensors", "turbo"),
        ("z_image_de_turbo_v1_bf16.safetensors", "deturbo"),
        ("Z-Image-DeTurbo-int8.safetensors", "deturbo"),
        ("z_image_bf16.safetensors", "base"),
        ("Z-Image-Base_fp8_e4m3fn.safetensors", "base"),
        ("z_image_int8_convrot.safetensors", "base"),
        ("my_favourite_mix.safetensors", "unknown"),
        ("pocket_z_image.safetensors", "unknown"),
        ("z_image_mymerge_v3.safetensors", "unknown"),
    ],
)
def test_a_file_name_is_a_hint_and_said_to_be_one(name: str, kind: str) -> None:
    assert recognise(Path("models") / name, {}) == Recognised(kind=kind, by_name=kind != "unknown")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metadata", "kind"),
    [
        ({"modelspec.architecture": "z-image-turbo"}, "turbo"),
        ({"modelspec.architecture": "z-image", "modelspec.title": "Z-Image De-Turbo"}, "deturbo"),
        ({"modelspec.title": "Z-Image Base"}, "base"),
        ({"modelspec.architecture": "z-image"}, "unknown"),  # the whole family calls itself that
        ({"format": "pt"}, "unknown"),
    ],
)
def test_what_a_file_says_of_itself_is_believed_before_its_name(metadata: dict[str, str], kind: str) -> None:
    assert recognise("mix.safetensors", metadata) == Recognised(kind=kind)  # type: ignore[arg-type]
    if kind != "unknown":
        assert recognise("z_image_turbo_bf16.safetensors", metadata) == Recognised(kind=kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hub_id", "kind"),
    [
        ("Tongyi-MAI/Z-Image-Turbo", "turbo"),
        ("Tongyi-MAI/Z-Image", "base"),
        ("ostris/Z-Image-De-Turbo", "deturbo"),
        ("someone/portraits", "unknown"),
    ],
)
def test_a_hub_id_tells_and_so_does_a_folder_that_came_from_it(hub_id: str, kind: str, tmp_path: Path) -> None:
    cached = tmp_path / f"models--{hub_id.replace('/', '--')}" / "snapshots" / "0123"
    cached.mkdir(parents=True)
    assert recognise(hub_id, {}, cached) == recognise(cached, {}, cached) == Recognised(kind=kind)  # type: ignore[arg-type]
    remembering = tmp_path / "finetuned"
    remembering.mkdir()
    for origin in (hub_id, f"/srv/hub/models--{hub_id.replace('/', '--')}/snapshots/1", f"C:\\models\\{hub_id[7:]}"):
        (remembering / "model_index.json").write_text(json.dumps({"_name_or_path": origin}))
        if hub_id[7:] in origin or kind != "unknown":
            assert recognise(remembering, {}, remembering).kind == kind, origin


def test_a_folder_that_remembers_nothing_tells_by_its_name_only(tmp_path: Path) -> None:
    for name, kind in (("Z-Image-Turbo", "turbo"), ("pocket", "unknown")):
        folder = tmp_path / name
        folder.mkdir()
        assert recognise(folder, {}, folder) == Recognised(kind=kind, by_name=kind != "unknown")  # type: ignore[arg-type]


@pytest.fixture
def adapters(tmp_path: Path) -> list[Path]:
    """V1 and V2 as they are known: by name, keys and rank."""
    paths = []
    for version, rank in (("v1", 32), ("v2", 64)):
        path = tmp_path / f"zimage_turbo_training_adapter_{version}.safetensors"
        key = "diffusion_model.layers.0.attention.to_k.lora_{}.weight"
        save_file({key.format("A"): torch.ones(rank, 8), key.format("B"): torch.ones(8, rank)}, path)
        paths.append(path)
    return paths


def chosen(
    kind: str, choice: str, files: Sequence[Path], *, stated: str = "auto", by_name: bool = False
) -> tuple[AdapterChoice, list[str]]:
    """The choice, and the keys of what the user is told."""
    base = BaseModel(
        paths=(Path("z.safetensors"),), is_single_file=True, identity="", name="z.safetensors",
        kind=kind, kind_by_name=by_name,
    )  # type: ignore[arg-type]  # fmt: skip
    made = choose_adapter(base, base_kind=stated, choice=choice, lora_files=lambda: files)
    for note in made.notes:
        assert all("z.safetensors" in sentence(note, language) for language in ("en", "zh"))
    return made, [note.key for note in made.notes]


def test_turbo_takes_v2_by_itself_and_nothing_is_said(adapters: list[Path]) -> None:
    for by_name in (False, True):
        made, told = chosen("turbo", "auto", adapters, by_name=by_name)
        assert made.path == adapters[1] and told == []


def test_turbo_without_its_adapter_needs_the_explicit_none(adapters: list[Path]) -> None:
    with pytest.raises(UserError):
        chosen("turbo", "auto", [])
    made, told = chosen("turbo", "none", adapters)
    assert made.path is None and told == ["adapter.turbo_without"]


def test_a_model_that_does_not_say_is_taken_for_turbo_and_that_is_said(adapters: list[Path]) -> None:
    made, told = chosen("unknown", "auto", adapters)
    assert made.path == adapters[1] and told == ["adapter.kind_unknown"] and made.base.kind == "unknown"
    with pytest.raises(UserError) as caught:
        chosen("unknown", "auto", [])
    assert "base_kind" in str(caught.value)
    made, told = chosen("unknown", "none", adapters)
    assert made.path is None and told == []


@pytest.mark.parametrize("kind", ["deturbo", "base"])
def test_de_turbo_and_base_take_none_by_themselves_and_that_is_said(adapters: list[Path], kind: str) -> None:
    assert chosen(kind, "auto", []) == chosen(kind, "auto", adapters)  # nothing is looked for
    assert chosen(kind, "auto", adapters)[1] == ["adapter.not_needed"]
    assert chosen(kind, "auto", adapters, by_name=True)[1] == ["adapter.not_needed_by_name"]
    assert chosen(kind, "none", adapters)[1] == []
    made, told = chosen(kind, str(adapters[0]), adapters)
    assert made.path == adapters[0] and told == ["adapter.not_for_base"]


def test_the_users_word_holds_and_a_model_that_says_otherwise_is_named(adapters: list[Path]) -> None:
    made, told = chosen("unknown", "auto", [], stated="deturbo")
    assert made.path is None and told == ["adapter.not_needed"] and made.base.kind == "deturbo"
    made, told = chosen("turbo", "auto", adapters, stated="turbo")
    assert made.path == adapters[1] and told == []
    made, told = chosen("deturbo", "auto", adapters, stated="turbo")
    assert made.path == adapters[1] and told == ["adapter.kind_contradicted"]
    made, told = chosen("turbo", "auto", adapters, stated="base", by_name=True)  # a name is no contradiction
    assert made.path is None and told == ["adapter.not_needed"]


def test_v1_is_used_where_it_is_chosen(adapters: list[Path]) -> None:
    for choice in ("v1", str(adapters[0]), adapters[0].name):
        assert chosen("turbo", choice, adapters)[0].path == adapters[0]


def test_a_run_says_it_before_its_first_step_and_writes_the_kind_down(
    make_job: Callable, run_through: Callable, tiny_dir: Path
) -> None:
    made = choose_adapter(find_base_model(tiny_dir), base_kind="base", choice="auto", lora_files=lambda: ())
    job = dataclasses.replace(make_job(total_steps=1), base=made.base, adapter=made.path, notes=made.notes)
    events = run_through(job)
    told = [event.message.key for event in events[: [isinstance(event, Started) for event in events].index(True)]
            if isinstance(event, Warned)]  # fmt: skip
    assert told[0] == "adapter.not_needed"
    (record,) = job.runs_dir.glob("*/run.json")
    assert json.loads(record.read_text(encoding="utf-8"))["base_kind"] == "base"
