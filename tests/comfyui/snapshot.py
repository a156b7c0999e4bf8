"""Writes published_nodes.json from the nodes as they are: python -m tests.comfyui.snapshot. Only before a release."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.comfyui.server import PACK_NAME, REPOSITORY, ComfyServer
from tests.comfyui.test_contract import signature

NODE_IDS = (
    "LoadPhotoFolder",
    "CleanAndResize",
    "AutoCaption",
    "DatasetReport",
    "ExportDataset",
    "TrainZImageLoRA",
    "CheckpointSweep",
    "ApplyLoRA",
    "ConvertLoRA",
    "PublishLoRA",
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, ComfyServer(Path(folder), {PACK_NAME: REPOSITORY}) as server:
        published = {node_id: signature(server.get(f"/object_info/{node_id}")[node_id]) for node_id in NODE_IDS}
    text = json.dumps(published, indent=1)
    Path(__file__).with_name("published_nodes.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
