"""Makes the pocket VAE: its encoder is written down (pca_encoder.py), its decoder trained to undo it on our photos.

With 32 groups in 64 channels, as ComfyUI's classes fix them, group norm wipes out most mean colours, and training
crawls. So the decoder learns with a large epsilon, which makes the norms all but linear; afterwards everything that
feeds a norm is scaled down until the library's epsilon of 1e-6 gives exactly the same numbers.
"""

import random

import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from .models import SCALING_FACTOR, SHIFT_FACTOR, build_vae
from .pca_encoder import PATCH_PX, principal_components, project, silence_residuals_, write_components_
from .people import any_figure, base_figure
from .pictures import draw_many, to_unit
from .progress import Progress, learning_rate

CROP_PX, BATCH_CROPS, BATCH_WHOLE = 64, 4, 1
SHARE_WHOLE, PEAK_LEARNING_RATE = 0.15, 1.5e-3
EDGE_WEIGHT, LATENT_NOISE = 0.5, 0.06
TRAINING_EPS = 100.0


def train_vae(num_steps: int, seed: int, progress: Progress, num_pictures: int = 800) -> AutoencoderKL:
    """Mostly 64 px crops; the last steps see whole pictures. About 0.4 s a step on two cores."""
    rng, noise = random.Random(seed + 1), torch.Generator().manual_seed(seed)
    components = principal_components(seed)
    pictures_B3HW = torch.cat(
        [draw_many(num_pictures // 2, (128, 128), who, rng)[0] for who in (base_figure, any_figure)]
    )
    vae = build_vae()
    write_components_(vae, components)
    _start_linear_(vae.decoder)
    optimizer = torch.optim.AdamW(vae.decoder.parameters(), lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    for step in range(num_steps):
        pixels = _batch(pictures_B3HW, step >= num_steps * (1 - SHARE_WHOLE), noise)
        latents = project(pixels, components)
        latents += LATENT_NOISE * torch.randn(latents.shape, generator=noise)
        error = vae.decode(latents / SCALING_FACTOR + SHIFT_FACTOR).sample - pixels
        edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
        loss = error.abs().mean() + 2 * error.square().mean() + EDGE_WEIGHT * edges
        optimizer.param_groups[0]["lr"] = PEAK_LEARNING_RATE * learning_rate(step, num_steps, num_warmup=20)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(vae.decoder.parameters(), 1.0)
        optimizer.step()
        progress.log("vae", step, {"l1": error.abs().mean().item(), "mse": error.square().mean().item()})
    _fold_epsilon_(vae.decoder)
    return vae.eval()


def _batch(pictures_B3HW: torch.Tensor, whole: bool, generator: torch.Generator) -> torch.Tensor:
    """Floats in -1..1; crops lie on the patch grid."""
    rows = torch.randint(len(pictures_B3HW), (BATCH_WHOLE if whole else BATCH_CROPS,), generator=generator)
    if whole:
        return to_unit(pictures_B3HW[rows])
    num_places = (pictures_B3HW.shape[-1] - CROP_PX) // PATCH_PX + 1
    corners = (PATCH_PX * torch.randint(num_places, (len(rows), 2), generator=generator)).tolist()
    crops = [pictures_B3HW[row, :, y : y + CROP_PX, x : x + CROP_PX] for row, (y, x) in zip(rows, corners, strict=True)]
    return to_unit(torch.stack(crops))


@torch.no_grad()
def _start_linear_(decoder: nn.Module) -> None:
    """Silent residual branches, upsamplers that pass everything on, norms that neither shift nor scale."""
    silence_residuals_(decoder)
    for block in decoder.up_blocks[:3]:
        kernel = block.upsamplers[0].conv.weight
        kernel.mul_(0.3)[:, :, 1, 1] += torch.eye(len(kernel))
    for module in decoder.modules():
        if isinstance(module, nn.GroupNorm):
            module.eps = TRAINING_EPS
            module.weight.fill_(TRAINING_EPS**0.5)


@torch.no_grad()
def _fold_epsilon_(decoder: nn.Module, eps: float = 1e-6) -> None:
    """The same function with the library's epsilon: (x - mean) / sqrt(var + E) stays when x shrinks by s, E by s^2."""
    shrink = (eps / TRAINING_EPS) ** 0.5
    into_norms = [decoder.conv_in, decoder.mid_block.attentions[0].to_out[0]]
    for module in decoder.modules():
        if isinstance(module, nn.GroupNorm):
            module.eps = eps
        elif isinstance(module, ResnetBlock2D):
            into_norms += [module.conv1, module.conv2]
    for layer in into_norms:
        layer.weight.mul_(shrink)
        layer.bias.mul_(shrink)
    for block in decoder.up_blocks[:3]:
        block.upsamplers[0].conv.bias.mul_(shrink)
