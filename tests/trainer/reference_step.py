"""The reference training step, written from the published facts about AI Toolkit alone; nothing of `trainer` is in it.

Plain diffusers, peft and torch. Chance comes in from outside: `noise` and, per photo, the raw draw behind its sigma (a
normal number for `sigmoid`, an index 0..998 for the others), so that two implementations can be given the same dice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

WEIGHT_POINTS = """0:0.9057 5:0.9622 10:1.0429 20:1.1761 30:1.2562 50:1.3748 100:1.5068 150:1.5069 200:1.4413
250:1.3549 300:1.2636 350:1.1720 400:1.0826 450:1.0004 500:0.9254 550:0.8596 600:0.8049 650:0.7618 700:0.7312
750:0.7152 800:0.7161 850:0.7285 900:0.7162 950:0.5822 980:0.4755 990:0.4521 999:0.4473"""
TRAINED = r"layers\.\d+\.(attention\.(to_q|to_k|to_v|to_out\.0)|feed_forward\.(w1|w2|w3)|adaLN_modulation\.0)"


@dataclass
class Photo:
    """Unscaled VAE mean [16, h, w] and text features [num_tokens, width]."""

    vae_mean: torch.Tensor
    text: torch.Tensor


def weight_table() -> np.ndarray:
    """1000 loss weights: the not-a-knot cubic spline through the points, solved as one linear system, mean 1."""
    x, y = np.array([[float(number) for number in pair.split(":")] for pair in WEIGHT_POINTS.split()]).T
    num_pieces = len(x) - 1
    rows, right = [], []

    def equation(terms: Sequence[tuple[int, list[float]]], value: float) -> None:
        row = np.zeros(4 * num_pieces)
        for piece, factors in terms:
            row[4 * piece : 4 * piece + 4] = factors
        rows.append(row)
        right.append(value)

    width = np.diff(x)
    for i, h in enumerate(width):  # piece i is a + b s + c s^2 + d s^3 with s = x - x[i]
        equation([(i, [1, 0, 0, 0])], y[i])
        equation([(i, [1, h, h**2, h**3])], y[i + 1])
        if i + 1 < num_pieces:
            equation([(i, [0, 1, 2 * h, 3 * h**2]), (i + 1, [0, -1, 0, 0])], 0)
            equation([(i, [0, 0, 2, 6 * h]), (i + 1, [0, 0, -2, 0])], 0)
    equation([(0, [0, 0, 0, 1]), (1, [0, 0, 0, -1])], 0)  # not a knot: the outer two pieces at each end are one cubic
    equation([(num_pieces - 2, [0, 0, 0, 1]), (num_pieces - 1, [0, 0, 0, -1])], 0)
    a, b, c, d = np.linalg.solve(np.array(rows), np.array(right)).reshape(num_pieces, 4).T
    table = []
    for index in range(1000):
        piece = min(int(np.searchsorted(x, index, side="right")) - 1, num_pieces - 1)
        s = index - x[piece]
        table.append(a[piece] + b[piece] * s + c[piece] * s**2 + d[piece] * s**3)
    return np.array(table) / np.mean(table)


def timestep_and_weight(timestep_type: str, draw: float) -> tuple[torch.Tensor, float]:
    """t in 0..1000 (1000 is pure noise), an fp32 scalar, and the loss weight."""
    if timestep_type == "sigmoid":
        return 1000 * torch.sigmoid(torch.tensor(draw)), 1.0
    index = int(draw)
    if timestep_type == "shift":
        line = torch.linspace(1.0, 0.002994, 1000)
        return (1000 * (3 * line / (1 + 2 * line)))[index], 1.0
    return torch.linspace(1000, 1, 1000)[index], float(weight_table()[index]) if timestep_type == "weighted" else 1.0


class ReferenceTraining:
    """A transformer from a diffusers folder in fp32, the adapter fused, a peft LoRA of scale 1, AdamW."""

    def __init__(self, model_dir: Path, *, rank: int, adapter: Path | None, learning_rate: float) -> None:
        from diffusers import ZImageTransformer2DModel
        from peft import LoraConfig

        self.transformer = ZImageTransformer2DModel.from_pretrained(
            model_dir / "transformer", torch_dtype=torch.float32, local_files_only=True
        )
        self.transformer.requires_grad_(False)
        if adapter:
            self._fuse(load_file(adapter))
        self.transformer.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=TRAINED))
        vae = json.loads((model_dir / "vae" / "config.json").read_text())
        self._scale, self._shift = vae["scaling_factor"], vae["shift_factor"]
        self._optimizer = torch.optim.AdamW(
            self.lora.values(), lr=learning_rate, betas=(0.9, 0.999), eps=1e-6, weight_decay=1e-4
        )

    def _fuse(self, adapter: dict[str, torch.Tensor]) -> None:
        weights = self.transformer.state_dict()
        for key, lora_A in adapter.items():
            if key.endswith(".lora_A.weight"):
                module = key[len("diffusion_model.") : -len(".lora_A.weight")]
                lora_B = adapter[key.replace("lora_A", "lora_B")]
                weights[module + ".weight"] += lora_B.float() @ lora_A.float()
        self.transformer.load_state_dict(weights)

    @property
    def lora(self) -> dict[str, torch.nn.Parameter]:
        """The trained parameters by the names of the LoRA file, without its prefix."""
        named = self.transformer.named_parameters()
        return {name.replace(".default", ""): parameter for name, parameter in named if parameter.requires_grad}

    def set_lora(self, values: dict[str, torch.Tensor]) -> None:
        assert values.keys() == self.lora.keys()
        with torch.no_grad():
            for name, parameter in self.lora.items():
                parameter.copy_(values[name])

    def loss(
        self, photos: Sequence[Photo], timestep_type: str, noise: Sequence[torch.Tensor], draws: Sequence[float]
    ) -> torch.Tensor:
        """The loss of a batch; gradients flow into the LoRA."""
        x0 = torch.stack([self._scale * (photo.vae_mean - self._shift) for photo in photos])
        eps = torch.stack(list(noise))
        timesteps, weights = zip(*[timestep_and_weight(timestep_type, draw) for draw in draws], strict=True)
        t, w = torch.stack(timesteps), torch.tensor(weights)
        s = (t / 1000).view(-1, 1, 1, 1)
        xt = (1 - s) * x0 + s * eps
        out = self.transformer([one[:, None] for one in xt], (1000 - t) / 1000, [photo.text for photo in photos])
        prediction = -torch.stack(out.sample).squeeze(2)
        error = F.mse_loss(prediction, eps - x0, reduction="none")
        return (error * w.view(-1, 1, 1, 1)).mean([1, 2, 3]).mean()

    def step(self, loss: torch.Tensor) -> None:
        """Backward, clip to 1.0, one AdamW update."""
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.lora.values()), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)


def raw_draw(timestep_type: str, generator: torch.Generator) -> float:
    """The one number that the facts say is drawn per photo."""
    if timestep_type == "sigmoid":
        return float(torch.randn((), generator=generator))
    return int(torch.randint(0, 999, (), generator=generator))
