"""The loop to compare with: plain diffusers and peft as AI Toolkit trains Z-Image by default, written from published
facts about it.

bf16 weights, an fp32 LoRA without autocast on the 8 linears of every main layer, every block's activations computed
anew in the backward pass, bitsandbytes' AdamW8bit, noise drawn on the device. Nothing is quantised, compiled or fused,
and nothing of `trainer` is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel

TRAINED = r"layers\.\d+\.(attention\.(to_q|to_k|to_v|to_out\.0)|feed_forward\.(w1|w2|w3)|adaLN_modulation\.0)"


class EagerReference:
    """One model, one optimizer, one batch that is trained on again and again."""

    def __init__(
        self, transformer: ZImageTransformer2DModel, *, rank: int, latents_BCHW: torch.Tensor, texts: list[torch.Tensor]
    ) -> None:
        """The transformer is frozen, in bf16 and on its device; `texts` holds one [num_tokens, width] per photo."""
        from bitsandbytes.optim import AdamW8bit
        from peft import LoraConfig

        device = transformer.device
        with torch.random.fork_rng(devices=[]):
            transformer.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=TRAINED))
        self._trained = [parameter for parameter in transformer.parameters() if parameter.requires_grad]
        for parameter in self._trained:
            parameter.data = parameter.data.float()
        transformer.train()
        transformer.enable_gradient_checkpointing()
        self._transformer = transformer
        self._optimizer = AdamW8bit(self._trained, lr=1e-4, betas=(0.9, 0.999), eps=1e-6, weight_decay=1e-4)
        self._latents_BCHW = latents_BCHW.to(device, torch.bfloat16)
        self._texts = [text.to(device, torch.bfloat16) for text in texts]
        self._generator = torch.Generator(device).manual_seed(0)

    def step(self) -> float:
        """One optimizer update; returns the loss."""
        x0 = self._latents_BCHW
        noise = torch.randn(x0.shape, dtype=x0.dtype, device=x0.device, generator=self._generator)
        t = 1000 * torch.sigmoid(torch.randn(len(x0), device=x0.device, generator=self._generator))
        s = (t / 1000).view(-1, 1, 1, 1)
        xt = ((1 - s) * x0.float() + s * noise.float()).bfloat16()
        out = self._transformer([one[:, None] for one in xt], (1000 - t) / 1000, self._texts, return_dict=False)[0]
        prediction = -torch.stack(list(out)).squeeze(2).float()
        loss = F.mse_loss(prediction, (noise - x0).float(), reduction="none").mean([1, 2, 3]).mean()
        if not torch.isfinite(loss):
            loss = torch.zeros_like(loss, requires_grad=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._trained, 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return loss.item()
