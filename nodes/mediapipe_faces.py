"""From what ComfyUI's MediaPipe landmarker finds to our `Face`: landmarks, pose matrix and blendshapes. Knows no model.

Landmarks are counted as in MediaPipe's canonical face model; "left" is the person's own left there, and the picture's
left here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..trainer.photos.photo import Face, Point

_RIGHT_EYE, _LEFT_EYE = [33, 133], [362, 263]
"""Both corners of the person's right eye, and of the left one."""
_NOSE, _RIGHT_MOUTH, _LEFT_MOUTH = 1, 61, 291
_SMILE, _OPEN, _CLOSED = 0.4, 0.35, 0.5
"""Blendshapes from which on an expression is named. Chosen by what they mean; not tried on real weights."""


def face_of(found: Mapping[str, Any], pose_44: np.ndarray, width_px: int, height_px: int) -> Face:
    """A face as core's landmarker describes it, with its pose matrix, as ours.

    `found` has landmarks_xy (478, 2) in pixels, blendshapes by name (0..1), and presence: how sure the mesh is that it
    lies on a face, as a logit. The box holds all landmarks, which reach from the forehead to the chin.
    """
    shares_N2 = np.asarray(found["landmarks_xy"], np.float64) / (width_px, height_px)
    yaw_deg, pitch_deg, roll_deg = angles_of(pose_44)
    return Face(
        box=(*shares_N2.min(0).tolist(), *shares_N2.max(0).tolist()),
        confidence=1 / (1 + math.exp(-max(-50.0, min(50.0, found["presence"])))),
        landmarks=_five_points(shares_N2),
        yaw_deg=yaw_deg,
        pitch_deg=pitch_deg,
        roll_deg=roll_deg,
        expression=expression_of(found["blendshapes"]),
    )


def angles_of(pose_44: np.ndarray) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of MediaPipe's pose matrix, which may be scaled.

    The matrix turns the canonical face (x to the picture's right, y up, z towards the camera) by the roll about z, then
    by the pitch about x, then by the yaw about y. Positive is: yaw to the picture's right, pitch up, roll clockwise as
    seen in the picture.
    """
    turn_33 = np.asarray(pose_44, np.float64)[:3, :3]
    turn_33 = turn_33 / np.linalg.norm(turn_33, axis=0)
    forward = turn_33[:, 2]
    yaw = math.atan2(forward[0], forward[2])
    pitch = math.asin(min(1.0, max(-1.0, forward[1])))
    roll = math.atan2(-turn_33[1, 0], turn_33[1, 1])
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def expression_of(blendshapes: Mapping[str, float]) -> str:
    """Eyes closed, smiling, mouth open or neutral, from MediaPipe's blendshapes; the first that holds."""

    def both(name: str) -> float:
        return (blendshapes[f"{name}Left"] + blendshapes[f"{name}Right"]) / 2

    if both("eyeBlink") >= _CLOSED:
        return "eyes closed"
    if both("mouthSmile") >= _SMILE:
        return "smiling"
    return "mouth open" if blendshapes["jawOpen"] >= _OPEN else "neutral"


def _five_points(shares_N2: np.ndarray) -> tuple[Point, ...]:
    """Eyes, nose and corners of the mouth; the person's right is on the picture's left."""
    eyes = (shares_N2[_RIGHT_EYE].mean(0), shares_N2[_LEFT_EYE].mean(0))
    points = (*eyes, shares_N2[_NOSE], shares_N2[_RIGHT_MOUTH], shares_N2[_LEFT_MOUTH])
    return tuple((float(x), float(y)) for x, y in points)
