"""A tiny Qwen3-VL as a CLIP, built from ComfyUI's own classes with ComfyUI's own tokenizer; only its sizes are ours."""

import time
from dataclasses import dataclass
from pathlib import Path

import comfy.ops
import comfy.sd
import comfy.supported_models_base
import comfy.text_encoders.llama as llama
import comfy.text_encoders.qwen3vl as qwen3vl
import comfy.utils
import torch

KIND = "qwen3vl_tiny"


@dataclass
class TinyConfig(llama.Qwen3VL_4BConfig):
    hidden_size: int = 64
    intermediate_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    num_key_value_heads: int = 1


qwen3vl.QWEN3VL_CONFIGS[KIND] = TinyConfig
qwen3vl.QWEN3VL_VISION[KIND] = dict(
    hidden_size=32, intermediate_size=64, depth=2, deepstack_visual_indexes=[0], num_heads=2, num_position_embeddings=64
)


class CountingClip(comfy.sd.CLIP):
    """ComfyUI's CLIP, which writes down every question; its tokens can be made to take their time."""

    log_path: Path | None = None

    def generate(self, *args, **kwargs):
        self.note("asked")
        return super().generate(*args, **kwargs)

    def note(self, what: str) -> None:
        if self.log_path is not None:
            with open(self.log_path, "a", encoding="utf-8") as log:
                log.write(f"{what} {time.time()}\n")


def build_vision_clip(tensors: dict[str, torch.Tensor]) -> CountingClip:
    """The CLIP with these weights; with none, random ones."""
    target = comfy.supported_models_base.ClipTarget(qwen3vl.tokenizer(KIND), qwen3vl.te(model_type=KIND))
    options = {"dtype": torch.float32, "custom_operations": comfy.ops.disable_weight_init}
    clip = CountingClip(target, state_dict=[], model_options=options)
    randomise(clip.cond_stage_model)
    if tensors:
        clip.cond_stage_model.load_state_dict(tensors, strict=False)  # as core does
    return clip


def randomise(network: torch.nn.Module) -> None:
    """Seeded random weights of usual sizes; norms begin as ones."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, part in network.named_parameters():
            if part.ndim > 1:
                part.copy_(0.08 * torch.randn(part.shape, generator=generator))
            else:
                part.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)


def take_time(clip: CountingClip, seconds: float) -> None:
    """Let every token take so long, as a large model would, and be written down too."""
    network = getattr(clip.cond_stage_model, KIND).transformer
    logits = network.logits

    def slow(x: torch.Tensor) -> torch.Tensor:
        time.sleep(seconds)
        clip.note("token")
        return logits(x)

    network.logits = slow
