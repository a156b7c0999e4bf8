"""Pictures by ComfyUI's own sampler: what a sweep shows is what a user's graph gives.

Legend: B batch of 1, C latent channels, H and W latent rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import comfy.sample
import latent_preview
import PIL.Image
import torch

from ..trainer.messages import UserError
from ..trainer.sweep.cells import Cell, SweepConfig
from ..trainer.sweep.scores import row_name
from .core_identity import clip_identity, model_identity, vae_identity
from .core_lora import apply_lora
from .pictures import to_picture


class CellRenderer:
    """Draws cells with the user's model, text encoder and VAE; patches the model once per checkpoint and strength."""

    def __init__(
        self,
        model: Any,
        clip: Any,
        vae: Any,
        config: SweepConfig,
        *,
        prompts: Sequence[str],
        on_step: Callable[[int, tuple | None], None],
    ) -> None:
        """`on_step` hears (sampler steps done in this cell, a preview or None), and may raise to leave early."""
        self._model, self._clip, self._vae, self._config = model, clip, vae, config
        self._prompts = prompts
        self._on_step = on_step
        self._patched_for: tuple[Path | None, float] = (None, 0.0)
        self._patched = model

    @property
    def identity(self) -> str:
        """Everything outside a cell that decides how it looks."""
        return f"comfyui {model_identity(self._model)} {clip_identity(self._clip)} {vae_identity(self._vae)}"

    def render(self, cell: Cell) -> PIL.Image.Image:
        """The cell's picture."""
        conditioning = self._conditionings[cell.prompt]  # all prompts before the first picture: one change of models
        model = self._with_lora(cell.lora_path, cell.strength)
        config = self._config
        latent_format = model.get_model_object("latent_format")
        per_latent = latent_format.spacial_downscale_ratio
        empty_BCHW = torch.zeros(
            1, latent_format.latent_channels, config.height_px // per_latent, config.width_px // per_latent
        )
        latents_BCHW = comfy.sample.sample(
            model,
            comfy.sample.prepare_noise(empty_BCHW, cell.seed),
            config.steps,
            config.cfg,
            config.sampler,
            config.scheduler,
            conditioning,
            _zeroed(conditioning),
            empty_BCHW,
            callback=self._callback(model),
            disable_pbar=True,
            seed=cell.seed,
        )
        image_BHW3 = self._vae.decode(latents_BCHW)
        if not torch.isfinite(image_BHW3).all():  # it would be kept as a black picture
            raise UserError("sweep.not_finite", row=row_name(cell.step, cell.strength), prompt=cell.prompt)
        return to_picture(image_BHW3)

    @cached_property
    def _conditionings(self) -> dict[str, Any]:
        clip = self._clip
        return {prompt: clip.encode_from_tokens_scheduled(clip.tokenize(prompt)) for prompt in self._prompts}

    def _with_lora(self, lora_path: Path | None, strength: float) -> Any:
        if self._patched_for != (lora_path, strength):
            self._patched = apply_lora(self._model, lora_path, strength)[0] if lora_path else self._model
            self._patched_for = (lora_path, strength)
        return self._patched

    def _callback(self, model: Any) -> Callable[..., None]:
        previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)

        def heard(step_index: int, denoised: torch.Tensor, _noisy: torch.Tensor, _num_steps: int) -> None:
            preview = previewer.decode_latent_to_preview_image("JPEG", denoised) if previewer else None
            self._on_step(step_index + 1, preview)

        return heard


def _zeroed(conditioning: Any) -> Any:
    """A negative prompt of nothing, as the official Z-Image graph has it; without guidance it is never looked at."""
    return [[torch.zeros_like(features), options] for features, options in conditioning]
