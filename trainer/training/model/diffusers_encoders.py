"""DiffusersEncoders: text encoder and VAE from a diffusers folder or hub id, for use outside ComfyUI."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...memory.fitting import fit_text_encoder
from ...messages import UserError
from .hub import Progress, local_folder
from .weights import fingerprint

PROMPT_TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
"""How Z-Image's prompts are framed. Written out, because a tokenizer folder may carry another chat template."""


class DiffusersEncoders:
    """The Encoders protocol over `text_encoder/`, `tokenizer/` and `vae/` of a folder; loaded when first used."""

    def __init__(
        self, source: str | Path, device: torch.device, progress: Progress | None = None, quantisation: str = "none"
    ) -> None:
        self._folder = local_folder(source, progress)
        self._device = device
        self._quantisation = quantisation
        for part in ("text_encoder", "tokenizer", "vae"):
            if not (self._folder / part).is_dir():
                raise UserError("base.no_encoders", path=self._folder, part=part)
        self.text_identity = fingerprint(sorted((self._folder / "text_encoder").glob("*.safetensors")))
        if quantisation != "none":
            self.text_identity += f"-{quantisation}"
        self.image_identity = fingerprint(sorted((self._folder / "vae").glob("*.safetensors")))

    @cached_property
    def _text_encoder(self) -> tuple[Any, Any]:
        from transformers import AutoModel, AutoTokenizer

        # fp32 on the CPU, where half formats are slow and coarse; bf16, the format it was released in, on a GPU.
        dtype = torch.float32 if self._device.type == "cpu" else torch.bfloat16
        tokenizer = AutoTokenizer.from_pretrained(self._folder / "tokenizer", local_files_only=True)
        model = AutoModel.from_pretrained(self._folder / "text_encoder", dtype=dtype, local_files_only=True)
        return tokenizer, fit_text_encoder(model.eval(), self._quantisation, self._device)

    @cached_property
    def _vae(self) -> Any:
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained(self._folder / "vae", torch_dtype=torch.float32, local_files_only=True)
        return vae.to(self._device).eval()

    @torch.no_grad()
    def encode_texts(self, captions: Sequence[str]) -> list[Tensor]:
        """The second-to-last layer's output for each framed caption, [num_tokens, width]; one pass for all of them."""
        tokenizer, model = self._text_encoder
        framed = [PROMPT_TEMPLATE.format(caption) for caption in captions]
        # What fills up the shorter ones stands behind them, where no token of theirs looks.
        tokens = tokenizer(framed, padding=True, padding_side="right", return_tensors="pt").to(self._device)
        states = model(tokens.input_ids, attention_mask=tokens.attention_mask, output_hidden_states=True).hidden_states
        features_BTD, lengths = states[-2].float().cpu(), tokens.attention_mask.sum(dim=1).tolist()
        return [features_TD[:length] for features_TD, length in zip(features_BTD, lengths)]

    @torch.no_grad()
    def encode_images(self, images_BHWC: Tensor) -> Tensor:
        """The means of the VAE's posteriors, [B, 16, H/8, W/8], unscaled."""
        images_BCHW = images_BHWC.permute(0, 3, 1, 2).to(self._device) * 2 - 1
        latents_BCHW: Tensor = self._vae.encode(images_BCHW).latent_dist.mode()
        return latents_BCHW.float().cpu()

    def release(self) -> None:
        """Forget the loaded models; they load again if they are needed again."""
        self.__dict__.pop("_text_encoder", None)
        self.__dict__.pop("_vae", None)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
