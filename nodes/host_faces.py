"""Which face detector there is: ComfyUI's MediaPipe model from its socket, else what is installed, else none.

Knows the object on core's FACE_DETECTION_MODEL socket (comfy_extras/nodes_mediapipe.py), and no node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..trainer.photos.faces.detector import FaceDetector
from ..trainer.photos.faces.mtcnn import installed_face_detector
from ..trainer.photos.photo import Face
from . import host
from .mediapipe_faces import face_of

_VARIANTS = ("short", "full")
"""Core's two detectors: for faces near the camera, and for smaller ones."""
_NEAR = 0.2
"""The near detector is enough where it finds a face at least this high, in shares of the picture."""
_MAX_FACES = 16
_MIN_SCORE = 0.5


def face_detector(face_detection_model: object | None) -> FaceDetector | None:
    """The model on the socket, else what is installed, else none."""
    return MediaPipeDetector(face_detection_model) if face_detection_model else installed_face_detector()


class MediaPipeDetector:
    """Finds faces with ComfyUI's own model, on its device. Threads wait for each other."""

    name = "mediapipe"

    def __init__(self, model: Any) -> None:
        self._model = model

    def find(self, image: Image.Image) -> tuple[Face, ...]:
        """All faces, the largest first."""
        from comfy_extras.mediapipe.face_geometry import transformation_matrix_from_detection

        found: list[Mapping[str, Any]] = []
        for variant in _VARIANTS:
            found += [one for one in self._look(image, variant) if not _is_known(one, found)]
            if any(_height(one) >= _NEAR * image.height for one in found):
                break
        canonical = self._model.canonical_data
        faces = []
        for one in found:
            pose_44 = transformation_matrix_from_detection(dict(one), *image.size, canonical)
            faces.append(face_of(one, pose_44, *image.size))
        return tuple(sorted(faces, key=lambda face: face.box[1] - face.box[3]))

    def _look(self, image: Image.Image, variant: str) -> list[Mapping[str, Any]]:
        # Worker threads have no inference mode of their own, and ComfyUI's model management expects one thread.
        with host.models_lock, torch.inference_mode():
            (found,) = self._model.detect_batch([np.array(image)], _MAX_FACES, _MIN_SCORE, variant)
        return found


def _is_known(one: Mapping[str, Any], found: list[Mapping[str, Any]]) -> bool:
    """Whether another detector has found this face: its middle lies in a box that is known."""
    left, top, right, bottom = one["bbox_xyxy"]
    x, y = (left + right) / 2, (top + bottom) / 2
    boxes = (other["bbox_xyxy"] for other in found)
    return any(box[0] <= x <= box[2] and box[1] <= y <= box[3] for box in boxes)


def _height(found: Mapping[str, Any]) -> float:
    return float(found["bbox_xyxy"][3] - found["bbox_xyxy"][1])
