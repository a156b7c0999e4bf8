"""What the example workflows show: their nodes, wires, groups and notes. Draws nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.comfyui.workflow import PHOTOS, QUICK_START

_Z_IMAGE = "https://huggingface.co/Comfy-Org/z_image_turbo/resolve/main/split_files"
MODELS = {
    "unet": ("z_image_turbo_bf16.safetensors", f"{_Z_IMAGE}/diffusion_models/", "diffusion_models"),
    "clip": ("qwen_3_4b.safetensors", f"{_Z_IMAGE}/text_encoders/", "text_encoders"),
    "vae": ("ae.safetensors", f"{_Z_IMAGE}/vae/", "vae"),
    "adapter": (
        "zimage_turbo_training_adapter_v2.safetensors",
        "https://huggingface.co/ostris/zimage_turbo_training_adapter/resolve/main/",
        "loras",
    ),
    "face": (
        "mediapipe_face_fp32.safetensors",
        "https://huggingface.co/Comfy-Org/mediapipe/resolve/main/detection/",
        "detection",
    ),
}
"""The files that nodes ask for: name, address, folder."""

ASKS_FOR = {"unet": ["unet"], "clip": ["clip"], "vae": ["vae"], "face": ["face"], "train": ["unet", "adapter"]}
"""Which node asks for which files. ComfyUI offers to download those that are missing."""

OURS = (
    "LoadPhotoFolder",
    "CleanAndResize",
    "AutoCaption",
    "DatasetReport",
    "TrainZImageLoRA",
    "CheckpointSweep",
    "ApplyLoRA",
)
_SCENES = (
    ", professional portrait, studio lighting",
    ", school uniform, outdoor setting",
    ", wearing elegant evening dress, at gala event",
)

_NOTE = """\
# Z-Image LoRA: quick start

1. **Load Photo Folder**: the folder with the photos of one person (70 to 80 good ones).
2. **Auto Caption**: the person's name in `subject`.
3. Download what ComfyUI says is missing (four files).
4. **Run**. Training takes its time: Cancel saves first, Run again goes on from there.
5. Look at the grid of **Checkpoint Sweep**. To use another checkpoint, write its step into `choice` and Run again.

The LoRA files are in `models/loras`, in a folder named after the person.

# Z-Image LoRA：快速开始

1. **Load Photo Folder**：填入照片文件夹（同一个人，70～80 张清晰照片）。
2. **Auto Caption**：在 `subject` 填入人物名字。
3. 按 ComfyUI 的提示下载缺少的四个模型文件。
4. 点 **Run** 开始。训练需要一段时间：取消前会先保存，再点 Run 会接着训练。
5. 看 **Checkpoint Sweep** 的对比图；想用别的检查点，把步数填进 `choice` 再点 Run。

LoRA 文件在 `models/loras` 里以人物名字命名的文件夹中。
"""

_PHOTOS_NOTE = """\
# Photos: look, mend, count

1. **Load Photo Folder**: the folder with the photos of one person. Photos can be dropped on the node.
2. Download what ComfyUI says is missing: one file, with which faces, angles and expressions are seen.
   To go without it, select **Load Face Detection Model** and press Ctrl+B.
3. **Run**. Nothing is trained, and your own files are never written.
4. **Clean and Resize Photos**: compare before and after, click the right face, drag the crop, take photos back.
5. **Dataset Report**: what the set has, what it lacks, which photos to replace.

When the photos are good, go on with the quick start: it finds them already prepared.

# 照片：查看、修整、统计

1. **Load Photo Folder**：填入照片文件夹（同一个人），也可以把照片拖到节点上。
2. 按 ComfyUI 的提示下载缺少的一个文件，用来识别人脸、角度和表情。
   不想用它时，选中 **Load Face Detection Model** 并按 Ctrl+B。
3. 点 **Run**。不会训练，也绝不改写您自己的文件。
4. **Clean and Resize Photos**：对比前后效果，点选正确的人脸，拖动裁剪框，取回被搁置的照片。
5. **Dataset Report**：这组照片有什么、缺什么、哪些该换。

照片满意后，用快速开始工作流继续：已处理好的照片会直接复用。
"""

_FACE_NOTE = """\
Sees faces, angles and expressions. Switched off, so that no fifth file is needed:
put the file in models/detection, select the node above and press Ctrl+B.
识别人脸、角度和表情。默认关闭，无需第五个文件：把文件放入 models/detection，选中上面的节点并按 Ctrl+B 启用。"""


@dataclass(frozen=True, kw_only=True)
class ExampleGraph:
    """One workflow."""

    path: Path
    nodes: Mapping[str, Mapping[str, Any]]
    """By a short name: type, place, size, widgets."""
    links: tuple[tuple[str, str, str, str], ...]
    """From node, its output, to node, its input."""
    groups: tuple[tuple[str, tuple[int, int, int, int], str], ...]
    """Title, place and size, color."""


def _node(kind: str, pos: tuple[int, int], size: tuple[int, int], **widgets: Any) -> dict[str, Any]:
    return dict(kind=kind, pos=pos, size=size, widgets=widgets, title=None, mode=0)


def _quick_start_nodes() -> dict[str, dict[str, Any]]:
    """Columns are the steps, left to right."""
    nodes = {
        "note": _node("MarkdownNote", (0, 60), (460, 1260), text=_NOTE),
        "photos": _node("LoadPhotoFolder", (520, 60), (400, 900)),
        "clean": _node("CleanAndResize", (960, 60), (400, 900)),
        "caption": _node("AutoCaption", (1400, 60), (400, 900), subject="Merlina"),
        "unet": _node("UNETLoader", (520, 1100), (400, 82), unet_name=MODELS["unet"][0]),
        "shift": _node("ModelSamplingAuraFlow", (520, 1250), (400, 58), shift=3.0),
        "clip": _node("CLIPLoader", (960, 1100), (400, 106), clip_name=MODELS["clip"][0], type="lumina2"),
        "vae": _node("VAELoader", (960, 1270), (400, 58), vae_name=MODELS["vae"][0]),
        "face": _node("LoadMediaPipeFaceLandmarker", (1400, 1100), (400, 58), model_name=MODELS["face"][0]),
        "face_note": _node("Note", (1400, 1210), (400, 100), text=_FACE_NOTE),
        "train": _node(
            "TrainZImageLoRA", (1860, 60), (600, 1250), model=MODELS["unet"][0], training_adapter=MODELS["adapter"][0]
        ),
        "sweep": _node("CheckpointSweep", (2520, 60), (620, 1250)),
        "apply": _node("ApplyLoRA", (540, 1520), (340, 130)),
        "zero": _node("ConditioningZeroOut", (540, 1730), (340, 30)),
        "size": _node("EmptySD3LatentImage", (540, 1830), (340, 106), width=1024, height=1024, batch_size=1),
    }
    nodes["face"]["mode"] = 4  # bypassed: ComfyUI runs without it, and asks for its file once it is switched on
    names = ("studio", "outdoors", "gala")
    for row, (name, scene) in enumerate(zip(names, _SCENES, strict=True)):
        top = 1520 + 310 * row
        nodes |= {
            f"words_{name}": _node("StringConcatenate", (940, top), (320, 220), string_b=scene),
            f"encode_{name}": _node("CLIPTextEncode", (1320, top), (240, 80)),
            f"sampler_{name}": _node(
                "KSampler", (1620, top), (320, 262), seed=42, steps=9, cfg=1.0, sampler_name="res_multistep",
                scheduler="simple", denoise=1.0,
            ),
            f"decode_{name}": _node("VAEDecode", (2000, top), (160, 46)),
            f"save_{name}": _node("SaveImage", (2240, top), (880, 270), filename_prefix=f"zimage_lora/{name}"),
        }  # fmt: skip
        nodes[f"sampler_{name}"]["seed_control"] = "fixed"
    return nodes


def _quick_start_links() -> list[tuple[str, str, str, str]]:
    links = [
        ("photos", "photos", "clean", "photos"),
        ("face", "FACE_DETECTION_MODEL", "clean", "face_detection_model"),
        ("clean", "photos", "caption", "photos"),
        ("caption", "dataset", "train", "dataset"),
        ("unet", "MODEL", "shift", "model"),
        ("clip", "CLIP", "train", "clip"),
        ("vae", "VAE", "train", "vae"),
        ("train", "checkpoints", "sweep", "checkpoints"),
        ("shift", "MODEL", "sweep", "model"),
        ("clip", "CLIP", "sweep", "clip"),
        ("vae", "VAE", "sweep", "vae"),
        ("shift", "MODEL", "apply", "model"),
        ("sweep", "best", "apply", "checkpoints"),
        ("encode_studio", "CONDITIONING", "zero", "conditioning"),
    ]
    for name in ("studio", "outdoors", "gala"):
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
    return links


_QUICK_START_GROUPS = (
    ("1 Photos / 照片", (500, -20, 1320, 1010), "#3f789e"),
    ("2 Models / 模型", (500, 1020, 1320, 340), "#555555"),
    ("3 Train / 训练", (1840, -20, 640, 1380), "#8A6"),
    ("4 Choose / 挑选", (2500, -20, 660, 1380), "#a1309b"),
    ("5 Use / 使用", (500, 1440, 2660, 1000), "#b58b2a"),
)


def quick_start_graph() -> ExampleGraph:
    """From the folder to pictures."""
    return ExampleGraph(
        path=QUICK_START,
        nodes=_quick_start_nodes(),
        links=tuple(_quick_start_links()),
        groups=_QUICK_START_GROUPS,
    )


def photos_graph() -> ExampleGraph:
    """The photos alone, with the face model that ComfyUI then offers to download."""
    return ExampleGraph(
        path=PHOTOS,
        nodes={
            "note": _node("MarkdownNote", (0, 60), (460, 900), text=_PHOTOS_NOTE),
            "photos": _node("LoadPhotoFolder", (520, 60), (440, 620)),
            "face": _node("LoadMediaPipeFaceLandmarker", (520, 760), (440, 58), model_name=MODELS["face"][0]),
            "clean": _node("CleanAndResize", (1020, 60), (720, 900)),
            "report": _node("DatasetReport", (1800, 60), (760, 900)),
        },
        links=(
            ("photos", "photos", "clean", "photos"),
            ("face", "FACE_DETECTION_MODEL", "clean", "face_detection_model"),
            ("face", "FACE_DETECTION_MODEL", "report", "face_detection_model"),
            ("clean", "photos", "report", "photos"),
        ),
        groups=(
            ("1 Load / 加载", (500, -20, 480, 1000), "#3f789e"),
            ("2 Clean / 清理", (1000, -20, 760, 1000), "#8A6"),
            ("3 Count / 统计", (1780, -20, 800, 1000), "#a1309b"),
        ),
    )
