"""Renders cells outside ComfyUI with diffusers' own Z-Image pipeline. Knows no sweep; never uses the training adapter.

Legend: B batch of 1, C 16 latent channels, H and W an eighth of the picture's pixels, or those of a finished image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import torch

from ..messages import UserError
from ..training.model.diffusers_encoders import DiffusersEncoders
from ..training.model.hub import local_folder
from ..training.model.zimage import LATENT_CHANNELS, find_base_model, load_transformer
from .cells import Cell, SweepConfig
from .lora_hooks import HookedLora, check_fits, needs_hooks
from .scores import row_name

if TYPE_CHECKING:
    from diffusers import ZImagePipeline

SAMPLER, SCHEDULER = "euler", "simple"
"""What diffusers' one way of sampling Z-Image is called in ComfyUI."""
_SHIFT = 3.0
_PX_PER_LATENT = 8


class DiffusersRenderer:
    """Draws cells. The base model is loaded for the first of them; the LoRA changes only when it must."""

    def __init__(
        self,
        base_model: str | Path,
        encoders_source: str | Path,
        config: SweepConfig,
        *,
        prompts: Sequence[str],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """`base_model` as in training; `encoders_source` is a diffusers folder or hub id; `prompts` are the cells'.

        Raises UserError for a sampler that diffusers does not have, or a model that is none.
        """
        if (config.sampler, config.scheduler) != (SAMPLER, SCHEDULER):
            raise UserError("sweep.no_such_sampler", sampler=config.sampler, scheduler=config.scheduler)
        self._base = find_base_model(base_model)
        self._encoders = DiffusersEncoders(encoders_source, device)
        self._vae_dir = local_folder(encoders_source) / "vae"
        self._config, self._prompts, self._device, self._dtype = config, prompts, device, dtype
        self._lora_path: Path | None = None
        self._hooked: HookedLora | None = None
        encoder_identities = f"{self._encoders.text_identity} {self._encoders.image_identity}"
        self.identity = f"diffusers {dtype} {self._base.identity} {encoder_identities}"

    def render(self, cell: Cell) -> PIL.Image.Image:
        """The cell's picture, RGB. The same cell gives the same picture.

        Raises UserError for a LoRA file that does not fit the model, and for a picture of numbers that are not finite.
        """
        text_features = self._text_features  # before the pipeline: the text encoder is gone when the transformer comes
        self._apply(cell)
        config = self._config
        # Drawn on the CPU in fp32, so that a seed means the same noise on every machine and in every precision.
        noise_BCHW = torch.randn(
            (1, LATENT_CHANNELS, config.height_px // _PX_PER_LATENT, config.width_px // _PX_PER_LATENT),
            generator=torch.Generator().manual_seed(cell.seed),
        )
        image_1HW3 = self._pipeline(
            prompt_embeds=[text_features[cell.prompt]],
            negative_prompt_embeds=[text_features[""]],
            height=config.height_px,
            width=config.width_px,
            num_inference_steps=config.steps,
            guidance_scale=config.cfg - 1.0,  # ComfyUI's 1 is no guidance, which diffusers calls 0
            latents=noise_BCHW,
            output_type="np",
        ).images
        if not np.isfinite(image_1HW3).all():  # it would be kept as a black picture
            raise UserError("sweep.not_finite", row=row_name(cell.step, cell.strength), prompt=cell.prompt)
        picture: PIL.Image.Image = self._pipeline.image_processor.numpy_to_pil(image_1HW3)[0]
        return picture

    def release(self) -> None:
        """Give back the memory of base model and VAE; the next picture loads them again."""
        self.__dict__.pop("_pipeline", None)
        self._hooked = self._lora_path = None

    @cached_property
    def _text_features(self) -> dict[str, torch.Tensor]:
        texts = dict.fromkeys((*self._prompts, ""))
        features = {text: self._encoders.encode_texts([text])[0].to(self._device, self._dtype) for text in texts}
        self._encoders.release()
        return features

    @cached_property
    def _pipeline(self) -> ZImagePipeline:
        from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline

        # The VAE stays in fp32: it is small, and half formats show in smooth skin.
        vae = AutoencoderKL.from_pretrained(self._vae_dir, torch_dtype=torch.float32, local_files_only=True)
        pipeline = ZImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=_SHIFT),
            vae=vae.to(self._device).eval(),
            text_encoder=None,
            tokenizer=None,
            transformer=load_transformer(self._base, self._dtype, self._device).eval(),
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _apply(self, cell: Cell) -> None:
        if cell.lora_path != self._lora_path:
            self._take_off()
            if cell.lora_path is not None:
                self._put_on(cell.lora_path)
        if self._hooked is not None:
            self._hooked.strength = cell.strength
        elif cell.lora_path is not None:
            self._pipeline.set_adapters("cell", adapter_weights=cell.strength)

    def _put_on(self, path: Path) -> None:
        check_fits(self._pipeline.transformer, path)
        if needs_hooks(path):
            self._hooked = HookedLora(self._pipeline.transformer, path)
        else:
            self._pipeline.load_lora_weights(str(path), adapter_name="cell")
        self._lora_path = path

    def _take_off(self) -> None:
        if self._hooked is not None:
            self._hooked.remove()
        elif self._lora_path is not None:
            self._pipeline.unload_lora_weights()
        self._hooked = self._lora_path = None
