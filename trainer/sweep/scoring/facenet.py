"""FaceNet: the face encoder of the package facenet-pytorch, where the user has installed it and its weights. CPU only.

The package would fetch its weights by itself when they are missing; here they are used only if they are there.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ...files import file_hash
from ...messages import Message

if TYPE_CHECKING:
    import PIL.Image
    import torch

WEIGHTS_NAME = "20180402-114759-vggface2.pt"
_PACKAGE = "facenet_pytorch"
_LOADED_NAME = "zimage_lora_facenet_encoder"
_SIDE_PX = 160


def installed_face_encoder() -> FaceNetScorer | None:
    """The encoder with what is installed; None where the package or its weights are not."""
    spec = importlib.util.find_spec(_PACKAGE)
    folder = Path(spec.origin).parent if spec is not None and spec.origin is not None else None
    source = folder / "models" / "inception_resnet_v1.py" if folder else None
    weights = weights_path(os.environ)
    if source is None or not source.is_file() or not weights.is_file():
        return None
    return FaceNetScorer(_network(source), f"facenet {file_hash(weights)}")


def weights_path(environment: Any) -> Path:
    """Where the package keeps its weights: in torch's cache."""
    cache = environment.get("TORCH_HOME") or Path(environment.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return Path(cache).expanduser() / "checkpoints" / WEIGHTS_NAME


class FaceNetScorer:
    """Faces to directions: InceptionResnetV1 trained on VGGFace2 (Schroff et al. 2015; Cao et al. 2018)."""

    name = "FaceNet (VGGFace2)"
    licence = Message("sweep.licence_facenet")
    knows_scenes = False
    wants_faces = True

    def __init__(self, network: torch.nn.Module, identity: str) -> None:
        """`network` maps faces [N, 3, 160, 160] in -1..1 to [N, D]."""
        self._network = network.eval().requires_grad_(False)
        self.identity = identity

    def embed(self, images: Sequence[PIL.Image.Image]) -> torch.Tensor:
        """Rows of length one, [N, D], on the CPU, of pictures cut out around faces."""
        import numpy as np
        import torch

        small = [np.asarray(image.convert("RGB").resize((_SIDE_PX, _SIDE_PX)), np.float32) for image in images]
        pixels_N3HW = (torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2) - 127.5) / 128  # as the package trained it
        with torch.inference_mode():
            return torch.nn.functional.normalize(self._network(pixels_N3HW), dim=1)


def load_module(source: Path) -> Any:
    """The package's module with the network.

    The package cannot be imported: on the way it imports torchvision's operators, which do not load beside every build
    of PyTorch. This file is loaded alone, beside a downloader that is empty.
    """
    downloader_name = f"{_LOADED_NAME}.utils.download"
    spec = importlib.util.spec_from_file_location(f"{_LOADED_NAME}.inception", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    empty = ModuleType(downloader_name)
    empty.download_url_to_file = None  # type: ignore[attr-defined]
    sys.modules[downloader_name] = empty
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[downloader_name]
    return module


def _network(source: Path) -> torch.nn.Module:
    """The network with the weights in the cache."""
    import torch

    with torch.random.fork_rng(devices=[]):  # new layers draw numbers, which the weights then replace
        network: torch.nn.Module = load_module(source).InceptionResnetV1(pretrained="vggface2")
    return network
