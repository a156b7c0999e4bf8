"""MTCNN with the nets and weights of the package facenet-pytorch, where the user has installed it. CPU only."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image

from ...messages import Message
from ..photo import Face, Point
from .cascade import Found, Nets, find_faces
from .detector import FaceDetector
from .retries import RETRY_PX, face_back, retries
from .suppression import union_share

INSTALL_COMMAND = "pip install --no-deps facenet-pytorch"
"""Without --no-deps pip would replace ComfyUI's torch, numpy and Pillow by older ones."""
_PACKAGE = "facenet_pytorch"
_NETS_NAME = "zimage_lora_facenet"
_SURE, _SURE_RETRIED = 0.9, 0.95
_MIN_FACE_PX = 20
_MIN_FACE_SHARE = 0.03
"""Smaller faces, in shares of the longest side, are passers-by; a full-length portrait has 0.05 and more."""


def installed_face_detector() -> FaceDetector | None:
    """The detector with what is installed; None where facenet-pytorch is not, or is not whole."""
    package_dir = _package_dir()
    return MtcnnDetector(_nets(package_dir)) if package_dir else None


def face_detector_missing() -> Message:
    """What to say where there is no detector, and what to do."""
    return Message("photos.no_face_detector", {"command": INSTALL_COMMAND})


class MtcnnDetector:
    """Finds faces with five landmarks. Several threads may share one: nothing in it changes."""

    name = "mtcnn"

    def __init__(self, nets: Nets) -> None:
        self._nets = nets
        self._retries = retries()

    def find(self, image: Image.Image) -> tuple[Face, ...]:
        """All faces, the largest first. Where none is sure, the picture is looked at once more in other ways."""
        faces = self._look(image)
        if not any(face.is_sure for face in faces):
            retried = self._look_again(image)
            boxes_N4 = np.array([face.box for face in retried]).reshape(-1, 4)
            faces = [face for face in faces if not np.any(union_share(np.array(face.box), boxes_N4) > 0.3)] + retried
        return tuple(sorted(faces, key=lambda face: face.box[1] - face.box[3]))

    def _look_again(self, image: Image.Image) -> list[Face]:
        aspect = image.width / image.height
        small = image.copy()
        small.thumbnail((RETRY_PX, RETRY_PX), Image.Resampling.BOX)
        for retry in self._retries:
            faces = [face for face in self._look(retry.show(small)) if face.confidence >= _SURE_RETRIED]
            if faces:
                return [face_back(face, retry, aspect) for face in faces]
        return []

    def _look(self, image: Image.Image) -> list[Face]:
        min_face_px = max(_MIN_FACE_PX, _MIN_FACE_SHARE * max(image.size))
        with torch.inference_mode():
            found = find_faces(image, self._nets, min_face_px)
        return _faces(found, *image.size)


def _faces(found: Found, width_px: int, height_px: int) -> list[Face]:
    boxes_N4 = found.boxes_N4 / (width_px, height_px, width_px, height_px)
    landmarks_N52 = found.landmarks_N52 / (width_px, height_px)
    return [
        Face(box=tuple(box_4.tolist()), confidence=float(score), landmarks=_points(landmarks_52))
        for box_4, score, landmarks_52 in zip(boxes_N4, found.scores_N, landmarks_N52, strict=True)
    ]


def _points(landmarks_52: np.ndarray) -> tuple[Point, ...]:
    return tuple((x, y) for x, y in landmarks_52.tolist())


def _package_dir() -> Path | None:
    """Where facenet-pytorch lies; found, not imported."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    needed = ("models/mtcnn.py", "data/pnet.pt", "data/rnet.pt", "data/onet.pt")
    return folder if all((folder / name).is_file() for name in needed) else None


def _nets(package_dir: Path) -> Nets:
    """The package's trained nets.

    The package cannot be imported: on the way it imports torchvision's operators for a cascade of its own, and they do
    not load beside every build of PyTorch. Its file with the nets needs nothing of that cascade but its name, so it is
    loaded alone, under a name of ours beside which that cascade is empty.
    """
    cascade_name = f"{_NETS_NAME}.utils.detect_face"
    spec = importlib.util.spec_from_file_location(f"{_NETS_NAME}.mtcnn", package_dir / "models" / "mtcnn.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    empty = ModuleType(cascade_name)
    empty.detect_face = empty.extract_face = None  # type: ignore[attr-defined]
    sys.modules[cascade_name] = empty
    spec.loader.exec_module(module)
    del sys.modules[cascade_name]
    with torch.random.fork_rng(devices=[]):  # new layers draw numbers, which the weights then replace
        propose, refine, find = (net().eval().requires_grad_(False) for net in (module.PNet, module.RNet, module.ONet))
    return Nets(propose=propose, refine=refine, find=find)
