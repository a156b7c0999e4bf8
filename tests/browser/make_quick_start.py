"""Writes example_workflows/01_quick_start.json and .jpg by drawing the graph on a real canvas.

    python -m tests.browser.make_quick_start

Run it again when a node's widgets change: the front end saves widget values by position.
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests.browser.canvas import open_canvas, show_workflow
from tests.comfyui.server import PACK_NAME, REPOSITORY, ComfyServer
from tests.comfyui.workflow import QUICK_START

_Z_IMAGE = "https://huggingface.co/Comfy-Org/z_image_turbo/resolve/main/split_files"
_MODELS = {
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

_ASKS_FOR = {"unet": ["unet"], "clip": ["clip"], "vae": ["vae"], "face": ["face"], "train": ["unet", "adapter"]}
"""Which node asks for which files. ComfyUI offers to download those that are missing."""

_OURS = ("LoadPhotoFolder", "CleanAndResize", "AutoCaption", "TrainZImageLoRA", "CheckpointSweep", "ApplyLoRA")
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

_FACE_NOTE = """\
For a coming version, which crops around faces. Switched off until then.
供以后按人脸裁剪的版本使用，目前未启用。"""


def _node(kind: str, pos: tuple[int, int], size: tuple[int, int], **widgets: Any) -> dict[str, Any]:
    return dict(kind=kind, pos=pos, size=size, widgets=widgets, title=None, mode=0)


def _nodes() -> dict[str, dict[str, Any]]:
    """Every node by a short name: type, place, size, widgets. Columns are the steps, left to right."""
    nodes = {
        "note": _node("MarkdownNote", (0, 60), (460, 880), text=_NOTE),
        "photos": _node("LoadPhotoFolder", (520, 60), (400, 520)),
        "clean": _node("CleanAndResize", (960, 60), (400, 520)),
        "caption": _node("AutoCaption", (1400, 60), (400, 520), subject="Merlina"),
        "unet": _node("UNETLoader", (520, 720), (400, 82), unet_name=_MODELS["unet"][0]),
        "shift": _node("ModelSamplingAuraFlow", (520, 870), (400, 58), shift=3.0),
        "clip": _node("CLIPLoader", (960, 720), (400, 106), clip_name=_MODELS["clip"][0], type="lumina2"),
        "vae": _node("VAELoader", (960, 890), (400, 58), vae_name=_MODELS["vae"][0]),
        "face": _node("LoadMediaPipeFaceLandmarker", (1400, 720), (400, 58), model_name=_MODELS["face"][0]),
        "face_note": _node("Note", (1400, 830), (400, 100), text=_FACE_NOTE),
        "train": _node(
            "TrainZImageLoRA", (1860, 60), (600, 870), model=_MODELS["unet"][0], training_adapter=_MODELS["adapter"][0]
        ),
        "sweep": _node("CheckpointSweep", (2520, 60), (620, 870)),
        "apply": _node("ApplyLoRA", (540, 1140), (340, 130)),
        "zero": _node("ConditioningZeroOut", (540, 1350), (340, 30)),
        "size": _node("EmptySD3LatentImage", (540, 1450), (340, 106), width=1024, height=1024, batch_size=1),
    }
    nodes["face"]["mode"] = 4  # bypassed
    names = ("studio", "outdoors", "gala")
    for row, (name, scene) in enumerate(zip(names, _SCENES, strict=True)):
        top = 1140 + 310 * row
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


def _links() -> list[tuple[str, str, str, str]]:
    """From node, its output, to node, its input."""
    links = [
        ("photos", "photos", "clean", "photos"),
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


_GROUPS = (
    ("1 Photos / 照片", (500, -20, 1320, 630), "#3f789e"),
    ("2 Models / 模型", (500, 640, 1320, 340), "#555555"),
    ("3 Train / 训练", (1840, -20, 640, 1000), "#8A6"),
    ("4 Choose / 挑选", (2500, -20, 660, 1000), "#a1309b"),
    ("5 Use / 使用", (500, 1060, 2660, 1000), "#b58b2a"),
)

_DRAW = """async ({nodes, links, groups}) => {
    const graph = app.rootGraph
    graph.clear()
    const made = {}
    for (const [name, wanted] of Object.entries(nodes)) {
        const node = made[name] = LiteGraph.createNode(wanted.kind)
        node.pos = wanted.pos
        graph.add(node)
        for (const [widget, value] of Object.entries(wanted.widgets)) {
            const found = node.widgets.find(one => one.name === widget)
            if (!found) throw new Error(`${wanted.kind} has no widget ${widget}`)
            found.value = value
        }
        const control = (node.widgets ?? []).find(one => one.name === 'control_after_generate')
        if (control && wanted.seed_control) control.value = wanted.seed_control
        node.mode = wanted.mode
        node.setSize(wanted.size)
    }
    for (const [from, output, to, input] of links) {
        const [source, target] = [made[from], made[to]]
        const output_slot = source.outputs.findIndex(one => one.name === output)
        const input_slot = target.inputs.findIndex(one => one.name === input)
        if (output_slot < 0 || input_slot < 0) throw new Error(`no link ${from}.${output} -> ${to}.${input}`)
        source.connect(output_slot, target, input_slot)
    }
    for (const [title, bounding, color] of groups) {
        const group = new LiteGraph.LGraphGroup(title)
        group.pos = [bounding[0], bounding[1]]
        group.size = [bounding[2], bounding[3]]
        group.color = color
        graph.add(group)
    }
    return {workflow: graph.serialize(), ids: Object.fromEntries(Object.entries(made).map(([k, n]) => [k, n.id]))}
}"""


def main() -> None:
    """Draw, save, and photograph."""
    with tempfile.TemporaryDirectory() as folder:
        server = ComfyServer(Path(folder), {PACK_NAME: REPOSITORY})
        for file, _, kind in _MODELS.values():  # so that the file lists know them; nothing reads them
            (server.base_dir / "models" / kind).mkdir(exist_ok=True)
            (server.base_dir / "models" / kind / file).touch()
        with server, open_canvas(server, 3000, 1900) as page:
            drawn = page.evaluate(_DRAW, dict(nodes=_nodes(), links=_links(), groups=_GROUPS))
            workflow = _tidy(drawn["workflow"], drawn["ids"])
            QUICK_START.parent.mkdir(exist_ok=True)
            QUICK_START.write_text(json.dumps(workflow, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            show_workflow(page, json.loads(QUICK_START.read_text(encoding="utf-8")))
            _save_thumbnail(page.screenshot())


def _tidy(workflow: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """Without the front end's empty fields, with the files each loader asks for and the packs the nodes come from."""
    names = {str(node_id): name for name, node_id in ids.items()}
    for node in workflow["nodes"]:
        properties = node["properties"]
        if node["type"] not in ("MarkdownNote", "Note"):
            properties["cnr_id"] = PACK_NAME if node["type"] in _OURS else "comfy-core"
        files = [_MODELS[key] for key in _ASKS_FOR.get(names[str(node["id"])], [])]
        if files:
            properties["models"] = [dict(name=name, url=url + name, directory=folder) for name, url, folder in files]
    workflow["extra"] = {}
    return _without_empty(workflow)


def _without_empty(value: Any) -> Any:
    """Drops None from mappings, but keeps an input's `link` of None, which says that it is free."""
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items() if item is not None or key == "link"}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


def _save_thumbnail(png: bytes) -> None:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((1200, 800), Image.Resampling.LANCZOS)
    image.save(QUICK_START.with_suffix(".jpg"), quality=85)


if __name__ == "__main__":
    main()
