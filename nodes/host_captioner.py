"""HostCaptioner: a vision language model on core's CLIP socket as a Captioner, called as TextGenerate calls it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comfy.utils
import numpy as np
import torch
from PIL import Image
from safetensors import safe_open

from ..trainer.captions.vision.captioner import Answer
from ..trainer.messages import UserError
from . import host
from .core_identity import clip_identity, files_of


def clip_captioner(clip: Any) -> HostCaptioner:
    """The CLIP as a captioner. Raises UserError, before any photo is looked at, for one that cannot see or write."""
    files = files_of(clip.patcher)
    networks = [part.transformer for part in clip.cond_stage_model.modules() if hasattr(part, "transformer")]
    names = ", ".join(path.name for path in files)
    kind = names or getattr(clip.cond_stage_model, "clip_name", type(clip.cond_stage_model).__name__)
    if not _holds_picture(_tokens(clip, "?", Image.new("RGB", (64, 64)))):
        raise UserError("captions.clip_blind", kind=kind)
    if not any(hasattr(network, "generate") for network in networks):
        raise UserError("captions.clip_mute", kind=kind)
    if not any(hasattr(network, "preprocess_embed") for network in networks) or (files and not _show_eyes(files)):
        raise UserError("captions.clip_blind", kind=kind)  # it would drop the picture, or see it with random weights
    return HostCaptioner(clip)


class HostCaptioner:
    """Answers with ComfyUI's own model, on its device, the likeliest token each time."""

    def __init__(self, clip: Any) -> None:
        self._clip = clip
        self.name = f"clip {clip_identity(clip)}"

    def answer(self, picture: Image.Image, question: str, max_tokens: int) -> Answer:
        """What the model says; the Cancel button stops it at its next token."""
        with host.models_lock, torch.inference_mode(), _silent_bars():
            tokens = _tokens(self._clip, question, picture)
            token_ids = self._clip.generate(tokens, do_sample=False, max_length=max_tokens)
        # A model ends with a token that is no text. Where it has not, the limit came first.
        is_cut = len(token_ids) >= max_tokens and self._clip.decode(token_ids[-1:]) != ""
        return Answer(self._clip.decode(token_ids), is_cut)


def _tokens(clip: Any, question: str, picture: Image.Image) -> Any:
    """What core's TextGenerate makes of a question and an image [1, H, W, 3] in 0..1, without thinking aloud."""
    image_1HWC = torch.from_numpy(np.array(picture.convert("RGB"), np.float32) / 255)[None]
    return clip.tokenize(question, image=image_1HWC, skip_template=False, min_length=1, thinking=False)


def _holds_picture(tokens: Any) -> bool:
    """Whether the picture is among the tokens. Text encoders take one and drop it without a word."""
    batches = [batch for part in tokens.values() for batch in part] if isinstance(tokens, dict) else tokens
    return any(isinstance(token[0], dict) and token[0].get("type") == "image" for batch in batches for token in batch)


def _show_eyes(files: list[Path]) -> bool:
    """Whether there are weights for seeing in any of the files. Core fills what a file lacks with whatever is there."""
    for path in files:
        if path.suffix != ".safetensors":
            return True
        with safe_open(path, framework="pt") as tensors:
            names = list(tensors.keys())
            if any("vis" in name for name in names):  # visual., vision_tower., vision_model.
                return True
    return False


@contextlib.contextmanager
def _silent_bars() -> Iterator[None]:
    """Core's bar of tokens begins anew with every photo and would push ours aside: it only looks for a Cancel here."""
    hook = comfy.utils.PROGRESS_BAR_HOOK
    comfy.utils.set_progress_bar_global_hook(lambda *_, **__: host.stop_if_cancelled())
    try:
        yield
    finally:
        comfy.utils.set_progress_bar_global_hook(hook)
