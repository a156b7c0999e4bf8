"""The encoding bench: all three ways make what the run needs, of the same photos."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench import encode
from bench.encode import made_photos, main, measure
from bench.models import POCKET_DIR
from trainer.training.model.diffusers_encoders import DiffusersEncoders


def test_every_way_is_timed_in_every_round(tmp_path: Path) -> None:
    dataset = made_photos(tmp_path / "photos", 6, megapixels=0.02)
    assert len({photo.caption for photo in dataset.photos}) == 6
    cpu = torch.device("cpu")
    seconds = measure(DiffusersEncoders(POCKET_DIR, cpu), dataset, 64, cpu, num_rounds=2)
    assert list(seconds) == ["alone", "product", "one by one"]
    assert all(len(found) == 2 and min(found) > 0 for found in seconds.values())


def test_the_full_size_is_refused_without_a_card_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--size", "full", "--device", "cpu"]) == 1
    assert "python -m bench.encode" in capsys.readouterr().out


def test_encoders_of_random_weights_take_captions_and_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    """The full-size ones, made narrow."""
    narrow = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2, head_dim=16)
    monkeypatch.setattr(encode, "FULL_TEXT_ENCODER", {**encode.FULL_TEXT_ENCODER, **narrow, "num_key_value_heads": 1})
    monkeypatch.setattr(encode, "FULL_VAE", {**encode.FULL_VAE, "block_out_channels": (32,) * 4})
    encoders = encode.RandomEncoders(POCKET_DIR, torch.device("cpu"))
    long, short = encoders.encode_texts(["a photo of Ada, smiling", "Ada"])
    assert long.shape[1] == short.shape[1] == 32 and len(long) > len(short) and long.isfinite().all()
    assert encoders.encode_images(torch.rand(2, 32, 48, 3)).shape == (2, 16, 4, 6)
