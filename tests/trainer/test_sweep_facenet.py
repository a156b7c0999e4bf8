"""The face encoder that users may have installed: used where its weights are, and never fetched."""

import importlib.util
from pathlib import Path

import PIL.Image
import pytest
import torch

from trainer.sweep.scoring import facenet


def test_without_its_weights_there_is_no_face_encoder_and_nothing_is_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert facenet.installed_face_encoder() is None
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("environment", "folder"),
    [({"TORCH_HOME": "/a/b"}, "/a/b"), ({"XDG_CACHE_HOME": "/c"}, "/c/torch"), ({}, "~/.cache/torch")],
)
def test_weights_are_looked_for_where_the_package_keeps_them(environment, folder):
    expected = Path(folder).expanduser() / "checkpoints" / facenet.WEIGHTS_NAME
    assert facenet.weights_path(environment) == expected


@pytest.mark.skipif(importlib.util.find_spec("facenet_pytorch") is None, reason="facenet-pytorch is not installed")
@pytest.mark.slow  # 112 MB are written and read
def test_with_its_weights_in_the_cache_it_gives_directions_of_faces(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = facenet.weights_path({"TORCH_HOME": str(tmp_path)})
    path.parent.mkdir(parents=True)
    source = Path(importlib.util.find_spec("facenet_pytorch").origin).parent
    module = facenet.load_module(source / "models" / "inception_resnet_v1.py")
    torch.save(module.InceptionResnetV1(classify=True, num_classes=8631).state_dict(), path)
    scorer = facenet.installed_face_encoder()
    rows_ND = scorer.embed([PIL.Image.new("RGB", (90, 120), colour) for colour in ("red", "blue")])
    assert rows_ND.shape == (2, 512) and torch.allclose(rows_ND.norm(dim=1), torch.ones(2), atol=1e-5)
    assert scorer.wants_faces and not scorer.knows_scenes
