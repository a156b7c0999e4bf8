"""A face model file for core's loader whose answer is known: its nets have random weights and constant last layers.

The real file is not free to be had everywhere; this one has its layout, so that the loader, the memory management, the
way through the nets and back to pixels are core's own.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from safetensors.torch import save_file

from tests.comfyui.server import comfyui_path

NUM_LANDMARKS = 478
MESH_PX = 192
_BOX_SIZE = 8.0
"""Width and height of every proposed box, in pictures: so large that all of them are merged into one in the middle."""
_ROI = 1.5
_PARTS = (
    "face_oval", "left_eye", "right_eye", "left_eyebrow", "right_eyebrow", "lips", "irises", "nose", "tesselation",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Head:
    """A head of random points before a camera, turned to the picture's right by `yaw_deg`."""

    canonical_N3: np.ndarray
    """x to the picture's right, y up, z towards the camera."""
    shares_N2: np.ndarray
    """Where its points lie in a square picture, 0..1."""
    depth_N: np.ndarray
    """How far behind the middle each point is, in pictures."""


def head(yaw_deg: float, size: float = 0.4, middle: tuple[float, float] = (0.55, 0.45)) -> Head:
    """A head whose points are `size` of the picture high."""
    random = np.random.default_rng(4)
    directions_N3 = random.normal(size=(NUM_LANDMARKS, 3))
    directions_N3 /= np.linalg.norm(directions_N3, axis=1, keepdims=True)
    canonical_N3 = directions_N3 * (7.0, 9.0, 6.0)
    yaw = math.radians(yaw_deg)
    turn_33 = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    seen_N3 = canonical_N3 @ turn_33.T * (size / 18)
    shares_N2 = np.stack([middle[0] + seen_N3[:, 0], middle[1] - seen_N3[:, 1]], 1)
    return Head(canonical_N3=canonical_N3, shares_N2=shares_N2, depth_N=-seen_N3[:, 2])


def landmarker_module() -> ModuleType:
    """Core's comfy_extras/mediapipe/face_landmarker.py, which needs torch alone."""
    return _core_module("face_landmarker")


def geometry_module() -> ModuleType:
    """Core's comfy_extras/mediapipe/face_geometry.py, which needs NumPy alone."""
    return _core_module("face_geometry")


def write_face_model(path: Path, shown: Head, blendshapes: set[str], variant: str) -> None:
    """A file that sees this head in every picture, with these blendshapes, and only by this one of its detectors."""
    core = landmarker_module()
    generator = torch.Generator().manual_seed(8)
    nets = {name: core.FaceLandmarker(detector_variant=name) for name in ("short", "full")}
    for name, net in nets.items():
        for tensor in net.parameters():
            tensor.data.copy_(torch.randn(tensor.shape, generator=generator) * 0.05)
        _propose_one_box(net.detector, name, finds=name == variant)
    both = nets["short"]  # mesh and blendshapes are shared
    landmarks_N3 = np.concatenate([shown.shares_N2, shown.depth_N[:, None]], 1) - (0.5, 0.5, 0)
    landmarks_N3 = landmarks_N3 * MESH_PX / (_BOX_SIZE * _ROI) + (MESH_PX / 2, MESH_PX / 2, 0)
    _always(both.mesh.head_landmarks, torch.from_numpy(landmarks_N3).float().flatten())
    _always(both.mesh.head_presence, torch.tensor([6.0]))
    _always(
        both.blendshapes.head, torch.tensor([4.0 if name in blendshapes else -4.0 for name in core.BLENDSHAPE_NAMES])
    )

    parts = {"mesh": both.mesh, "blendshapes": both.blendshapes}
    parts |= {f"detector_{name}": net.detector for name, net in nets.items()}
    tensors = {f"{part}.{key}": value for part, net in parts.items() for key, value in net.state_dict().items()}
    tensors |= {f"topology.{part}": torch.tensor([[0, 1], [1, 2], [2, 0]], dtype=torch.int32) for part in _PARTS}
    tensors["canonical_vertices"] = torch.from_numpy(shown.canonical_N3).float()
    tensors["procrustes_indices"] = torch.arange(0, NUM_LANDMARKS, 7, dtype=torch.int32)
    tensors["procrustes_weights"] = torch.ones(len(tensors["procrustes_indices"]))
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, path)


def _propose_one_box(detector: torch.nn.Module, variant: str, *, finds: bool) -> None:
    """Every anchor proposes the same large box with level eyes, and they overlap so much that they become one."""
    heads = ("cls_16", "cls_8", "reg_16", "reg_8") if variant == "short" else ("cls_dw", "reg_dw")
    side_px = 128.0 if variant == "short" else 192.0
    box = [0.0, 0.0, _BOX_SIZE * side_px, _BOX_SIZE * side_px, 0.0, 0.0, side_px / 10, 0.0] + [0.0] * 8
    for name in heads:
        layer = detector.get_submodule(name)
        one = box if name.startswith("reg") else [2.0 if finds else -4.0]
        _always(layer, torch.tensor(one * (layer.out_channels // len(one))))


def _always(layer: torch.nn.Module, numbers: torch.Tensor) -> None:
    layer.weight.data.zero_()
    layer.bias.data.copy_(numbers)


def _core_module(name: str) -> ModuleType:
    path = comfyui_path() / "comfy_extras" / "mediapipe" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"core_{name}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
