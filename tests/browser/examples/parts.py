"""What example workflows are made of: model files, nodes, and what several of them share. Draws nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HUB = "https://huggingface.co"
_Z_IMAGE = f"{_HUB}/Comfy-Org/z_image_turbo/resolve/main/split_files"
MODELS = {
    "unet": ("z_image_turbo_bf16.safetensors", f"{_Z_IMAGE}/diffusion_models/", "diffusion_models"),
    "clip": ("qwen_3_4b.safetensors", f"{_Z_IMAGE}/text_encoders/", "text_encoders"),
    "small_clip": ("qwen_3_4b_fp8_mixed.safetensors", f"{_Z_IMAGE}/text_encoders/", "text_encoders"),
    "vae": ("ae.safetensors", f"{_Z_IMAGE}/vae/", "vae"),
    "adapter": (
        "zimage_turbo_training_adapter_v2.safetensors",
        f"{_HUB}/ostris/zimage_turbo_training_adapter/resolve/main/",
        "loras",
    ),
    "face": (
        "mediapipe_face_fp32.safetensors",
        f"{_HUB}/Comfy-Org/mediapipe/resolve/main/detection/",
        "detection",
    ),
    "vision": (
        "qwen3vl_4b_fp8_scaled.safetensors",
        f"{_HUB}/Comfy-Org/Qwen3-VL/resolve/main/text_encoders/",
        "text_encoders",
    ),
    "likeness": (
        "clip_vision_h.safetensors",
        f"{_HUB}/Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files/clip_vision/",
        "clip_vision",
    ),
    "upscaler": (
        "RealESRGAN_x4plus.safetensors",
        f"{_HUB}/Comfy-Org/Real-ESRGAN_repackaged/resolve/main/",
        "upscale_models",
    ),
}
"""The files that nodes ask for: name, address, folder. ComfyUI offers to download those that are missing."""

OURS = (
    "LoadPhotoFolder",
    "CleanAndResize",
    "AutoCaption",
    "DatasetReport",
    "TrainZImageLoRA",
    "CheckpointSweep",
    "ApplyLoRA",
)
BYPASSED = 4
PHOTOS, MODEL, TRAIN, CHOOSE, USE = "#3f789e", "#555555", "#8A6", "#a1309b", "#b58b2a"
"""What the groups of a kind are coloured."""

SCENES = {
    "studio": ", professional portrait, studio lighting",
    "outdoors": ", school uniform, outdoor setting",
    "gala": ", wearing elegant evening dress, at gala event",
}

Nodes = dict[str, dict[str, Any]]
Links = tuple[tuple[str, str, str, str], ...]
Group = tuple[str, tuple[int, int, int, int], str]


@dataclass(frozen=True, kw_only=True)
class ExampleGraph:
    """One workflow."""

    path: Path
    nodes: Mapping[str, Mapping[str, Any]]
    """By a short name: type, place, size, widgets, the files asked for."""
    links: Links
    """From node, its output, to node, its input."""
    groups: tuple[Group, ...]
    """Title, place and size, color."""


def node(
    kind: str, pos: tuple[int, int], size: tuple[int, int], asks_for: tuple[str, ...] = (), **widgets: Any
) -> dict[str, Any]:
    """A node; `asks_for` names entries of MODELS."""
    return dict(kind=kind, pos=pos, size=size, widgets=widgets, mode=0, asks_for=asks_for)


def switched_off(made: dict[str, Any]) -> dict[str, Any]:
    """The node bypassed: ComfyUI runs without it, and asks for its file once it is switched on."""
    return made | {"mode": BYPASSED}


def train_node(pos: tuple[int, int], size: tuple[int, int], **widgets: Any) -> dict[str, Any]:
    """TrainZImageLoRA with the two files that it asks for."""
    files = dict(model=MODELS["unet"][0], training_adapter=MODELS["adapter"][0])
    return node("TrainZImageLoRA", pos, size, ("unet", "adapter"), **(files | widgets))


def model_nodes(left: int, top: int, clip: str = "clip") -> Nodes:
    """Z-Image's three files, in two columns."""
    return {
        "unet": node("UNETLoader", (left, top), (400, 82), ("unet",), unet_name=MODELS["unet"][0]),
        "shift": node("ModelSamplingAuraFlow", (left, top + 170), (400, 58), shift=3.0),
        "clip": node(
            "CLIPLoader", (left + 440, top), (400, 106), (clip,), clip_name=MODELS[clip][0], type="lumina2"
        ),
        "vae": node("VAELoader", (left + 440, top + 190), (400, 58), ("vae",), vae_name=MODELS["vae"][0]),
    }  # fmt: skip


def face_node(pos: tuple[int, int]) -> dict[str, Any]:
    """ComfyUI's face detector, switched off."""
    file = MODELS["face"][0]
    return switched_off(node("LoadMediaPipeFaceLandmarker", pos, (400, 58), ("face",), model_name=file))


TRAINING_LINKS: Links = (
    ("photos", "photos", "clean", "photos"),
    ("clean", "photos", "caption", "photos"),
    ("caption", "dataset", "train", "dataset"),
    ("clip", "CLIP", "train", "clip"),
    ("vae", "VAE", "train", "vae"),
)
CHOOSING_LINKS: Links = (
    ("unet", "MODEL", "shift", "model"),
    ("train", "checkpoints", "sweep", "checkpoints"),
    ("shift", "MODEL", "sweep", "model"),
    ("clip", "CLIP", "sweep", "clip"),
    ("vae", "VAE", "sweep", "vae"),
)


def use_nodes(left: int, top: int, scenes: tuple[str, ...], side_px: int = 1024) -> Nodes:
    """A picture for each scene, drawn with the chosen LoRA; a row each."""
    nodes = {
        "apply": node("ApplyLoRA", (left, top), (340, 130)),
        "zero": node("ConditioningZeroOut", (left, top + 340), (340, 30)),
        "size": node(
            "EmptySD3LatentImage", (left, top + 460), (340, 106), width=side_px, height=side_px, batch_size=1
        ),
    }  # fmt: skip
    for row, name in enumerate(scenes):
        y = top + 330 * row
        nodes |= {
            f"words_{name}": node("StringConcatenate", (left + 400, y), (320, 220), string_b=SCENES[name]),
            f"encode_{name}": node("CLIPTextEncode", (left + 780, y), (240, 80)),
            f"sampler_{name}": node(
                "KSampler", (left + 1080, y), (320, 262), seed=42, steps=9, cfg=1.0, sampler_name="res_multistep",
                scheduler="simple", denoise=1.0,
            ) | {"seed_control": "fixed"},
            f"decode_{name}": node("VAEDecode", (left + 1460, y), (160, 46)),
            f"save_{name}": node("SaveImage", (left + 1700, y), (440, 270), filename_prefix=f"zimage_lora/{name}"),
        }  # fmt: skip
    return nodes


def use_links(scenes: tuple[str, ...]) -> Links:
    """The wires of `use_nodes`, from the sweep's choice to the pictures."""
    links = [
        ("shift", "MODEL", "apply", "model"),
        ("sweep", "best", "apply", "checkpoints"),
        (f"encode_{scenes[0]}", "CONDITIONING", "zero", "conditioning"),
    ]
    for name in scenes:
        links += [
            ("apply", "prompt_prefix", f"words_{name}", "string_a"),
            (f"words_{name}", "STRING", f"encode_{name}", "text"),
            ("clip", "CLIP", f"encode_{name}", "clip"),
            ("apply", "model", f"sampler_{name}", "model"),
            (f"encode_{name}", "CONDITIONING", f"sampler_{name}", "positive"),
            ("zero", "CONDITIONING", f"sampler_{name}", "negative"),
            ("size", "LATENT", f"sampler_{name}", "latent_image"),
            (f"sampler_{name}", "LATENT", f"decode_{name}", "samples"),
            ("vae", "VAE", f"decode_{name}", "vae"),
            (f"decode_{name}", "IMAGE", f"save_{name}", "images"),
        ]
    return tuple(links)
