"""The encoding bench: all three ways make what the run needs, of the same photos."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

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
