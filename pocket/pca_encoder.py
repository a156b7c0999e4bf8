"""The VAE's encoder without training: 16 principal components of 8x8 patches, written into its convolutions.

Residual branches and attention stay silent: the encoder gathers patches (three strided convolutions) and projects.
Its last group norm and SiLU are made transparent: each group holds a signal and its negative (mean 0), so small that
the norm divides by the root of its epsilon alone, and silu(x) - silu(-x) = x. Not for fp16, whose numbers end at 6e-8.
"""

import random

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D

from .models import SCALING_FACTOR, SHIFT_FACTOR
from .people import any_figure, base_figure
from .pictures import draw_many, to_unit

Components = tuple[torch.Tensor, torch.Tensor]  # projection [16, 3, 8, 8] and offset [16]
NUM_COMPONENTS, PATCH_PX, TINY = 16, 8, 1e-5
EMPHASIS = 0.5  # 0 whitens; above, the components that pixels depend on most stand out from the noise first


@torch.no_grad()
def principal_components(seed: int, num_pictures: int = 300) -> Components:
    """Projecting a patch and subtracting the offset gives mean 0 and overall variance 1 over seeded photos."""
    rng = random.Random(seed)
    pixels_B3HW = to_unit(
        torch.cat([draw_many(num_pictures // 2, (128, 128), who, rng)[0] for who in (base_figure, any_figure)])
    )
    patches_ND = F.unfold(pixels_B3HW, PATCH_PX, stride=PATCH_PX).transpose(1, 2).reshape(-1, 3 * PATCH_PX**2).double()
    mean_D = patches_ND.mean(0)
    variance_D, axes_DD = torch.linalg.eigh((patches_ND - mean_D).T.cov())
    spread_C = variance_D.flip(0)[:NUM_COMPONENTS].sqrt()
    gain_C = spread_C**EMPHASIS / (spread_C ** (2 * EMPHASIS)).mean().sqrt()
    projection_CD = (gain_C / spread_C)[:, None] * axes_DD.T.flip(0)[:NUM_COMPONENTS]
    return projection_CD.reshape(-1, 3, PATCH_PX, PATCH_PX).float(), (projection_CD @ mean_D).float()


def project(pixels_B3HW: torch.Tensor, components: Components) -> torch.Tensor:
    """What the finished encoder gives, in the transformer's scale, in one fast convolution: [B, 16, H/8, W/8]."""
    projection_C3HW, offset_C = components
    return F.conv2d(pixels_B3HW, projection_C3HW, stride=PATCH_PX) - offset_C[:, None, None]


@torch.no_grad()
def write_components_(vae: AutoencoderKL, components: Components) -> None:
    """Overwrites the encoder's weights; needs a width of 64 at every level (32 groups of two)."""
    projection_C3HW, offset_C = components
    encoder = vae.encoder
    silence_residuals_(encoder)
    for conv in (encoder.conv_in, encoder.conv_out, *(block.downsamplers[0].conv for block in encoder.down_blocks[:3])):
        conv.weight.zero_()
        conv.bias.zero_()
    for colour in range(3):
        encoder.conv_in.weight[colour, colour, 1, 1] = 1
    for block, num_in in ((encoder.down_blocks[0], 3), (encoder.down_blocks[1], 12)):
        for y in range(2):
            for x in range(2):
                for channel in range(num_in):
                    block.downsamplers[0].conv.weight[(2 * y + x) * num_in + channel, channel, y, x] = 1
    _write_projection_(encoder.down_blocks[2].downsamplers[0].conv, projection_C3HW, offset_C)
    _write_readout_(encoder.conv_norm_out, encoder.conv_out)


def _write_projection_(conv: torch.nn.Conv2d, projection_C3HW: torch.Tensor, offset_C: torch.Tensor) -> None:
    """Channels 2c and 2c + 1 become component c and its negative, both tiny."""
    for y in range(PATCH_PX):
        for x in range(PATCH_PX):
            for place, sign in enumerate((TINY, -TINY)):
                kernel_C3 = conv.weight[place : 2 * NUM_COMPONENTS : 2, _gathered(y, x), y // 4, x // 4]
                kernel_C3.copy_(sign * projection_C3HW[:, :, y, x])
                conv.bias[place : 2 * NUM_COMPONENTS : 2] = -sign * offset_C


@torch.no_grad()
def read_components(vae: AutoencoderKL) -> Components:
    """What write_components_ wrote."""
    conv = vae.encoder.down_blocks[2].downsamplers[0].conv
    projection_C3HW = torch.zeros(NUM_COMPONENTS, 3, PATCH_PX, PATCH_PX)
    for y in range(PATCH_PX):
        for x in range(PATCH_PX):
            projection_C3HW[:, :, y, x] = conv.weight[: 2 * NUM_COMPONENTS : 2, _gathered(y, x), y // 4, x // 4]
    return projection_C3HW / TINY, -conv.bias[: 2 * NUM_COMPONENTS : 2] / TINY


def _gathered(y: int, x: int) -> slice:
    """The three channels that hold pixel (y, x) of a patch after two gatherings."""
    inner, outer = y % 2 * 2 + x % 2, y // 2 % 2 * 2 + x // 2 % 2
    return slice(outer * 12 + inner * 3, outer * 12 + inner * 3 + 3)


def _write_readout_(norm: torch.nn.GroupNorm, conv: torch.nn.Conv2d) -> None:
    norm.weight.fill_(norm.eps**0.5 / TINY)
    norm.bias.zero_()
    for component in range(NUM_COMPONENTS):
        for place, sign in enumerate((1, -1)):
            conv.weight[component, 2 * component + place, 1, 1] = sign / SCALING_FACTOR
    conv.bias[:NUM_COMPONENTS] = SHIFT_FACTOR
    conv.bias[NUM_COMPONENTS:] = -10.0  # log variance: practically no posterior noise


@torch.no_grad()
def silence_residuals_(half: torch.nn.Module) -> None:
    """Every residual block and the attention of an encoder or decoder add nothing."""
    for module in half.modules():
        if isinstance(module, ResnetBlock2D):
            module.conv2.weight.zero_()
            module.conv2.bias.zero_()
    attention = half.mid_block.attentions[0].to_out[0]
    attention.weight.zero_()
    attention.bias.zero_()
