"""A server that other computers can reach reads only what its owner shares; on loopback it reads any folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.comfyui.fixtures import POCKET
from tests.comfyui.server import PACK_NAME, REPOSITORY, ComfyServer, Graph

pytestmark = pytest.mark.comfyui


def photos_of(folder: str) -> Graph:
    """Load a folder, and show what came of it."""
    return {
        "1": {"class_type": "LoadPhotoFolder", "inputs": {"folder": folder, "recursive": False}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }


@pytest.mark.skipif(os.name == "nt", reason="links need special rights on Windows")
def test_shared_server_reads_only_what_its_owner_shares(tmp_path: Path) -> None:
    private = tmp_path / "private 照片"
    private.mkdir()
    photo = next((POCKET / "photos/mila").iterdir())
    (private / photo.name).write_bytes(photo.read_bytes())
    base_dir = tmp_path / "comfyui"
    server = ComfyServer(base_dir, {PACK_NAME: REPOSITORY}, ("--listen", "0.0.0.0"))
    (base_dir / "input/mine").mkdir()
    (base_dir / "input/mine" / photo.name).write_bytes(photo.read_bytes())
    (base_dir / "input/way out").symlink_to(private, target_is_directory=True)
    settings = base_dir / "user/__zimage_lora/folders.txt"
    with server:
        for inside in ("mine", str(base_dir / "input/mine")):
            assert server.run(photos_of(inside)).status == "success"
        for outside in (str(private), str(private / "not there"), str(base_dir / "input/way out"), "/"):
            refused = server.run(photos_of(outside))
            assert refused.status == "error" and str(settings) in refused.error
        assert "input" in server.run(photos_of("way out")).error

        settings.parent.mkdir()
        settings.write_text(f"# shared\n{private}\n", encoding="utf-8")
        assert server.run(photos_of(str(private))).status == "success"
        assert server.run(photos_of(str(tmp_path))).status == "error"
