"""The rig itself: the pocket in ComfyUI's classes computes what it computes in diffusers and transformers."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.comfyui.fixtures import POCKET
from tests.comfyui.server import ComfyServer, Graph

pytestmark = pytest.mark.comfyui

PROMPT = "a photo of Mila, with (long:1.2) hair, 海边"
FRAME = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
SIDE_PX = 128


def probe_graph(prompt: str, file: str, model: str = "1") -> Graph:
    """Loaders 1 to 3 and the probe, node 9, on the model of node `model`."""
    return {
        "1": {"class_type": "PocketModelLoader", "inputs": {"unet_name": "pocket_z_image.safetensors"}},
        "2": {"class_type": "PocketClipLoader", "inputs": {"clip_name": "pocket_qwen_3.safetensors"}},
        "3": {"class_type": "PocketVaeLoader", "inputs": {"vae_name": "pocket_ae.safetensors"}},
        "9": {
            "class_type": "PocketProbe",
            "inputs": {"model": [model, 0], "clip": ["2", 0], "vae": ["3", 0], "prompt": prompt, "file": file},
        },
    }


def write_probe_input(path: Path) -> dict[str, torch.Tensor]:
    """Noise, a noisy latent's sigma and a picture for the probe, from a fixed seed."""
    generator = torch.Generator().manual_seed(7)
    tensors = dict(
        noisy=torch.randn(1, 16, SIDE_PX // 8, SIDE_PX // 8, generator=generator),
        sigma=torch.tensor([0.7]),
        pixels=torch.rand(1, SIDE_PX, SIDE_PX, 3, generator=generator),
    )
    save_file(tensors, path)
    return tensors


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    """The norm of the difference over the norm of what was expected."""
    assert got.shape == expected.shape
    return float((got - expected).norm() / expected.norm())


@torch.no_grad()
def test_pocket_model_clip_and_vae_equal_diffusers(server: ComfyServer) -> None:
    from diffusers import AutoencoderKL, ZImageTransformer2DModel
    from transformers import AutoModel, AutoTokenizer

    model_dir = POCKET / "model"
    given = write_probe_input(server.base_dir / "input" / "probe.safetensors")
    assert server.run(probe_graph(PROMPT, "probe.safetensors")).status == "success"
    made = load_file(server.base_dir / "output" / "probe.safetensors")

    tokens = AutoTokenizer.from_pretrained(model_dir / "tokenizer")(FRAME.format(PROMPT), return_tensors="pt")
    text_encoder = AutoModel.from_pretrained(model_dir / "text_encoder", dtype=torch.float32)
    text_BNC = text_encoder(**tokens, output_hidden_states=True).hidden_states[-2]
    assert relative(made["text"], text_BNC) <= 1e-4

    transformer = ZImageTransformer2DModel.from_pretrained(model_dir / "transformer", torch_dtype=torch.float32)
    output = transformer([given["noisy"][0][:, None]], 1 - given["sigma"], [text_BNC[0]], return_dict=False)[0][0]
    assert relative(made["velocity"], -output[None, :, 0]) <= 1e-5  # diffusers' sign is the other one

    vae = AutoencoderKL.from_pretrained(model_dir / "vae", torch_dtype=torch.float32)
    latents_BCHW = vae.encode(given["pixels"].permute(0, 3, 1, 2) * 2 - 1).latent_dist.mode()
    assert relative(made["latents"], latents_BCHW) <= 1e-4
    pixels_BHWC = (vae.decode(latents_BCHW).sample / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    assert relative(made["pixels"], pixels_BHWC) <= 1e-4
