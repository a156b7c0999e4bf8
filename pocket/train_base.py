"""Trains text encoder and transformer together on latents of procedural photos: flow matching, as Z-Image itself."""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, ZImageTransformer2DModel
from torch import nn
from transformers import Qwen2Tokenizer, Qwen3Model

from .captions import training_caption
from .models import build_text_encoder, build_transformer, caption_features
from .pca_encoder import project, read_components
from .people import base_figure, base_scene
from .pictures import Draw, draw_many, to_unit
from .progress import Progress, average_into_, learning_rate

BATCH, PEAK_LEARNING_RATE, CLIP = 16, 1e-3, 1.0
SIGMA_BIAS = 0.8
"""Sigma is sigmoid(normal + bias): only where noise covers the picture does the text decide what it will be."""
SIZE_SHARES = {(128, 128): 0.8, (112, 144): 0.1, (144, 112): 0.1}


@dataclass(frozen=True)
class LatentPool:
    """Photos of one size: latents_BCHW half precision, and who and what is on each."""

    latents_BCHW: torch.Tensor
    drawn: list[Draw]


class BaseModel(nn.Module):
    """The two parts that learn together."""

    def __init__(self, tokenizer: Qwen2Tokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.text_encoder: Qwen3Model = build_text_encoder(len(tokenizer))
        self.transformer: ZImageTransformer2DModel = build_transformer()

    def loss(
        self, latents_BCHW: torch.Tensor, captions: list[str], sigma_B: torch.Tensor, noise_BCHW: torch.Tensor
    ) -> torch.Tensor:
        """Per picture, [B]: the mean squared error of the velocity, whose negative the transformer gives."""
        features = caption_features(self.text_encoder, self.tokenizer, captions)
        sigma_B111 = sigma_B[:, None, None, None]
        noisy_BCHW = (1 - sigma_B111) * latents_BCHW + sigma_B111 * noise_BCHW
        output = self.transformer([noisy_CHW[:, None] for noisy_CHW in noisy_BCHW], 1 - sigma_B, features).sample
        velocity_BCHW = -torch.stack(output).squeeze(2)
        return (velocity_BCHW - (noise_BCHW - latents_BCHW)).square().mean((1, 2, 3))


@torch.no_grad()
def make_pools(vae: AutoencoderKL, num_pictures: int, seed: int) -> list[LatentPool]:
    """Draws and encodes num_pictures photos, most of them square."""
    components = read_components(vae)
    rng, pools = random.Random(seed), []
    for size_px, share in SIZE_SHARES.items():
        pixels, drawn = draw_many(max(BATCH, round(num_pictures * share)), size_px, base_figure, rng, base_scene)
        latents = torch.cat([project(to_unit(batch), components).half() for batch in pixels.split(64)])
        pools.append(LatentPool(latents, drawn))
    return pools


def train_base(
    pools: list[LatentPool],
    tokenizer: Qwen2Tokenizer,
    num_steps: int,
    seed: int,
    progress: Progress,
    keep: Callable[[BaseModel], None],
) -> BaseModel:
    """About 0.7 s a step on two idle cores. `keep` is given the averaged model every 500 steps."""
    rng, noise = random.Random(seed), torch.Generator().manual_seed(seed)
    model = BaseModel(tokenizer).train()
    average = copy.deepcopy(model).eval()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    for step in range(num_steps):
        pool = rng.choices(pools, list(SIZE_SHARES.values()))[0]
        rows = torch.randint(len(pool.drawn), (BATCH,), generator=noise)
        latents_BCHW = pool.latents_BCHW[rows].float()
        captions = [training_caption(*pool.drawn[row], rng) for row in rows.tolist()]
        sigma_B = torch.sigmoid(torch.randn(BATCH, generator=noise) + SIGMA_BIAS)
        loss = model.loss(latents_BCHW, captions, sigma_B, torch.randn(latents_BCHW.shape, generator=noise)).mean()
        optimizer.param_groups[0]["lr"] = PEAK_LEARNING_RATE * learning_rate(step, num_steps, num_warmup=100)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        average_into_(average, model, step)
        progress.log("base", step, {"loss": loss.item()})
        if (step + 1) % 500 == 0:
            keep(average)
    return average
