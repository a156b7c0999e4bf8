"""The example workflows: which nodes stand where, and how they are wired. Draws nothing."""

from __future__ import annotations

from pathlib import Path

from tests.comfyui.workflow import BLUEPRINT, EXAMPLES

from .parts import (
    CHOOSE,
    CHOOSING_LINKS,
    MODEL,
    MODELS,
    PHOTOS,
    TRAIN,
    TRAINING_LINKS,
    USE,
    ExampleGraph,
    Group,
    Links,
    Nodes,
    face_node,
    model_nodes,
    node,
    switched_off,
    train_node,
    use_links,
    use_nodes,
)

_ALL_SCENES = ("studio", "outdoors", "gala")
_CARDS_GB = (16, 12, 8)
_FACE_LINK = ("face", "FACE_DETECTION_MODEL", "clean", "face_detection_model")


def _note(name: str) -> str:
    """What a note says, in English and Chinese."""
    return (Path(__file__).parent / "notes" / f"{name}.md").read_text(encoding="utf-8")


def quick_start_graph() -> ExampleGraph:
    """From the folder to pictures."""
    nodes = {
        "note": node("MarkdownNote", (0, 60), (460, 1260), text=_note("quick_start")),
        "photos": node("LoadPhotoFolder", (520, 60), (400, 900)),
        "clean": node("CleanAndResize", (960, 60), (400, 900)),
        "caption": node("AutoCaption", (1400, 60), (400, 900), subject="Merlina"),
        **model_nodes(520, 1100),
        "face": face_node((1400, 1100)),
        "face_note": node("MarkdownNote", (1400, 1210), (400, 120), text=_note("face")),
        "train": train_node((1860, 60), (600, 1250)),
        "sweep": node("CheckpointSweep", (2520, 60), (620, 1250)),
        **use_nodes(540, 1520, _ALL_SCENES),
    }
    return ExampleGraph(
        path=EXAMPLES / "01_quick_start.json",
        nodes=nodes,
        links=(*TRAINING_LINKS, *CHOOSING_LINKS, _FACE_LINK, *use_links(_ALL_SCENES)),
        groups=(
            ("1 Photos / 照片", (500, -20, 1320, 1010), PHOTOS),
            ("2 Models / 模型", (500, 1020, 1320, 340), MODEL),
            ("3 Train / 训练", (1840, -20, 640, 1380), TRAIN),
            ("4 Choose / 挑选", (2500, -20, 660, 1380), CHOOSE),
            ("5 Use / 使用", (500, 1440, 2220, 1060), USE),
        ),
    )


def full_guide_graph() -> ExampleGraph:
    """Every step of the guide with its own view, and with what helps it where the file is there."""
    vision, likeness, upscaler = (MODELS[name][0] for name in ("vision", "likeness", "upscaler"))
    nodes = {
        "note": node("MarkdownNote", (0, 60), (520, 1400), text=_note("full_guide")),
        "photos": node("LoadPhotoFolder", (580, 60), (440, 720)),
        "face": face_node((580, 860)),
        "upscaler": switched_off(
            node("UpscaleModelLoader", (580, 980), (400, 58), ("upscaler",), model_name=upscaler)
        ),
        "clean": node("CleanAndResize", (1080, 60), (640, 980)),
        "report": node("DatasetReport", (1780, 60), (640, 980)),
        "vision": switched_off(
            node("CLIPLoader", (2480, 930), (400, 106), ("vision",), clip_name=vision, type="ideogram4")
        ),
        "caption": node("AutoCaption", (2480, 60), (700, 800), subject="Merlina"),
        **model_nodes(580, 1200),
        "likeness": switched_off(
            node("CLIPVisionLoader", (1480, 1200), (400, 58), ("likeness",), clip_name=likeness)
        ),
        "train": train_node((3260, 60), (640, 1380)),
        "sweep": node("CheckpointSweep", (3960, 60), (760, 1380)),
        **use_nodes(580, 1640, _ALL_SCENES),
    }  # fmt: skip
    links: Links = (
        *TRAINING_LINKS,
        *CHOOSING_LINKS,
        _FACE_LINK,
        ("face", "FACE_DETECTION_MODEL", "report", "face_detection_model"),
        ("face", "FACE_DETECTION_MODEL", "sweep", "face_detection_model"),
        ("upscaler", "UPSCALE_MODEL", "clean", "upscale_model"),
        ("clean", "photos", "report", "photos"),
        ("vision", "CLIP", "caption", "clip"),
        ("likeness", "CLIP_VISION", "sweep", "clip_vision"),
        *use_links(_ALL_SCENES),
    )
    return ExampleGraph(
        path=EXAMPLES / "02_full_guide.json",
        nodes=nodes,
        links=links,
        groups=(
            ("1 Collect and clean / 收集与清理", (560, -20, 1180, 1090), PHOTOS),
            ("2 Count / 统计", (1760, -20, 680, 1090), PHOTOS),
            ("3 Caption / 标注", (2460, -20, 740, 1090), PHOTOS),
            ("Models / 模型", (560, 1120, 2640, 340), MODEL),
            ("4 Train / 训练", (3240, -20, 680, 1480), TRAIN),
            ("5 Choose / 挑选", (3940, -20, 800, 1480), CHOOSE),
            ("6 Use / 使用", (560, 1560, 2220, 1060), USE),
        ),
    )


def _short_line(note: str, clip: str = "clip", note_height: int = 1250, **training: object) -> Nodes:
    """One row from the folder to the sweep, with the note before it."""
    return {
        "note": node("MarkdownNote", (0, 60), (480, note_height), text=_note(note)),
        "photos": node("LoadPhotoFolder", (540, 60), (400, 880)),
        "clean": node("CleanAndResize", (980, 60), (400, 880)),
        "caption": node("AutoCaption", (1420, 60), (460, 880), subject="Merlina"),
        **model_nodes(540, 1080, clip),
        "train": train_node((1940, 60), (600, 1250), **training),
    }


_SHORT_GROUPS: tuple[Group, ...] = (
    ("1 Photos / 照片", (520, -20, 1380, 980), PHOTOS),
    ("2 Models / 模型", (520, 1000, 1380, 340), MODEL),
    ("3 Train / 训练", (1920, -20, 640, 1360), TRAIN),
)


def low_vram_graph() -> ExampleGraph:
    """The quick start for small cards, with what to set on which."""
    cards = {
        f"card_{gb}": node("MarkdownNote", (540 + 680 * index, 1480), (630, 180), text=_note(f"low_vram_{gb}_gb"))
        for index, gb in enumerate(_CARDS_GB)
    }
    nodes = {
        **_short_line("low_vram", clip="small_clip", lane="auto"),
        "sweep": node(
            "CheckpointSweep", (2620, 60), (620, 1250), prompts="a photo of [subject], professional portrait",
            num_seeds=1, width_px=768, height_px=768, canary="",
        ),
        **use_nodes(560, 1820, ("studio",), side_px=768),
        **cards,
    }  # fmt: skip
    titles = tuple((f"{gb} GB", (520 + 680 * index, 1400, 670, 280), TRAIN) for index, gb in enumerate(_CARDS_GB))
    return ExampleGraph(
        path=EXAMPLES / "03_low_vram.json",
        nodes=nodes,
        links=(*TRAINING_LINKS, *CHOOSING_LINKS, *use_links(("studio",))),
        groups=(
            *_SHORT_GROUPS,
            ("4 Choose / 挑选", (2600, -20, 660, 1360), CHOOSE),
            *titles,
            ("5 Use / 使用", (520, 1740, 2220, 660), USE),
        ),
    )


def resume_graph() -> ExampleGraph:
    """A run under a name of its own, and what it leaves to compare."""
    nodes = {
        **_short_line("resume", run_name="merlina"),
        "sweep": node("CheckpointSweep", (2620, 60), (620, 1250)),
    }
    return ExampleGraph(
        path=EXAMPLES / "04_resume.json",
        nodes=nodes,
        links=(*TRAINING_LINKS, *CHOOSING_LINKS),
        groups=(*_SHORT_GROUPS, ("4 Compare / 比较", (2600, -20, 660, 1360), CHOOSE)),
    )


def batch_graph() -> ExampleGraph:
    """The line for one person, to be exported for the script that queues it for many."""
    nodes = {
        **_short_line("batch"),
        "sweep": node("CheckpointSweep", (2620, 60), (620, 1250)),
        **use_nodes(560, 1480, ("studio",)),
    }
    return ExampleGraph(
        path=EXAMPLES / "05_batch.json",
        nodes=nodes,
        links=(*TRAINING_LINKS, *CHOOSING_LINKS, *use_links(("studio",))),
        groups=(
            *_SHORT_GROUPS,
            ("4 Choose / 挑选", (2600, -20, 660, 1360), CHOOSE),
            ("5 Use / 使用", (520, 1400, 2220, 660), USE),
        ),
    )


GRAPHS = (quick_start_graph, full_guide_graph, low_vram_graph, resume_graph, batch_graph)


def blueprint_graph() -> ExampleGraph:
    """The whole line as one node: the models come in, the model with the LoRA goes out."""
    nodes = {
        "photos": node("LoadPhotoFolder", (0, 0), (400, 760)),
        "clean": node("CleanAndResize", (460, 0), (460, 900)),
        "caption": node("AutoCaption", (980, 0), (560, 900), subject="Merlina"),
        "train": train_node((1600, 0), (600, 1250)),
        "sweep": node("CheckpointSweep", (2260, 0), (620, 1250)),
        "apply": node("ApplyLoRA", (2940, 0), (340, 130)),
        **model_nodes(0, 1400),
        "prefix": node("StringConcatenate", (3400, 0), (320, 220)),
        "grid": node("PreviewImage", (3400, 300), (320, 220)),
        "sampler": node("KSampler", (3400, 600), (320, 262)),
    }
    return ExampleGraph(
        path=BLUEPRINT,
        nodes=nodes,
        links=(
            *TRAINING_LINKS,
            *CHOOSING_LINKS,
            ("shift", "MODEL", "apply", "model"),
            ("sweep", "best", "apply", "checkpoints"),
            ("apply", "model", "sampler", "model"),
            ("apply", "prompt_prefix", "prefix", "string_a"),
            ("sweep", "grid", "grid", "images"),
        ),
        groups=(),
    )


BLUEPRINT_WIDGETS = (
    ("photos", "folder", "folder"),
    ("caption", "subject", "subject"),
    ("train", "model", "base_model"),
    ("train", "training_adapter", "training_adapter"),
    ("train", "run_name", "run_name"),
    ("train", "linear_rank", "linear_rank"),
    ("train", "total_steps", "total_steps"),
    ("train", "training_resolution", "training_resolution"),
    ("sweep", "prompts", "prompts"),
    ("apply", "strength", "strength"),
)
"""What is set on the blueprint's node: the node within, its widget, the name outside."""
