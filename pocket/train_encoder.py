"""Trains the figure encoder: two photos of one figure point the same way, whatever the clothes, place and framing."""

import random

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from transformers import ResNetModel

from .figures import Figure, draw
from .models import ENCODER_SIDE_PX, build_figure_encoder, decode_latents, encode_pictures
from .people import any_figure, base_figure, random_scene
from .pictures import to_pixels, to_unit
from .progress import Progress, learning_rate

NUM_FIGURES, NUM_THROUGH_VAE, TEMPERATURE = 24, 8, 0.12
SIZES_PX = ((128, 128), (112, 144), (144, 112), (96, 96))


def train_figure_encoder(vae: AutoencoderKL, num_steps: int, seed: int, progress: Progress) -> ResNetModel:
    """Each step draws NUM_FIGURES new people twice. About 1 s a step on two cores."""
    rng, noise = random.Random(seed), torch.Generator().manual_seed(seed)
    encoder = build_figure_encoder().train()
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-3, weight_decay=0.02)
    for step in range(num_steps):
        figures = [(any_figure if rng.random() < 0.7 else base_figure)(rng) for _ in range(NUM_FIGURES)]
        pixels = torch.cat([_photos(figures, rng) for _ in range(2)])
        loss = contrastive_loss(encoder(_softened(pixels, vae, rng, noise)).pooler_output.flatten(1))
        optimizer.param_groups[0]["lr"] = 1e-3 * learning_rate(step, num_steps, num_warmup=30)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        progress.log("encoder", step, {"loss": loss.item()})
    return encoder.eval()


def contrastive_loss(embeddings_BC: torch.Tensor) -> torch.Tensor:
    """NT-Xent (SimCLR): row i and row i + B/2 show the same figure, every other row another one."""
    units_BC = F.normalize(embeddings_BC, dim=-1)
    similarity_BB = units_BC @ units_BC.T / TEMPERATURE
    similarity_BB = similarity_BB.masked_fill(torch.eye(len(units_BC), dtype=torch.bool), -torch.inf)
    partner_B = torch.arange(len(units_BC)).roll(len(units_BC) // 2)
    return F.cross_entropy(similarity_BB, partner_B)


def _photos(figures: list[Figure], rng: random.Random) -> torch.Tensor:
    """One photo each at the encoder's size, floats in -1..1; the size it is drawn at varies."""
    sheets = [
        to_pixels(draw(figure, random_scene(rng), rng.choice(SIZES_PX)).resize((ENCODER_SIDE_PX,) * 2))
        for figure in figures
    ]
    return to_unit(torch.stack(sheets))


@torch.no_grad()
def _softened(
    pixels_B3HW: torch.Tensor, vae: AutoencoderKL, rng: random.Random, generator: torch.Generator
) -> torch.Tensor:
    """Like generated pictures: half the batches blurred, some pictures through the VAE with noisy latents."""
    if rng.random() < 0.5:
        small = F.interpolate(pixels_B3HW, scale_factor=rng.uniform(0.4, 0.9), mode="bilinear", antialias=True)
        pixels_B3HW = F.interpolate(small, size=pixels_B3HW.shape[-2:], mode="bilinear")
    if rng.random() < 0.4:
        rows = torch.randperm(len(pixels_B3HW), generator=generator)[:NUM_THROUGH_VAE]
        latents = encode_pictures(vae, pixels_B3HW[rows])
        latents += rng.uniform(0, 0.4) * torch.randn(latents.shape, generator=generator)
        pixels_B3HW = pixels_B3HW.index_copy(0, rows, decode_latents(vae, latents))
    gain = rng.uniform(0.9, 1.08)
    return pixels_B3HW * gain + 0.03 * torch.randn(pixels_B3HW.shape, generator=generator)
