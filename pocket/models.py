"""The pocket model's architectures, all of them library classes, and how they are saved. Trains nothing."""

import json
import os
import random
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImageTransformer2DModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import nn
from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3Model, ResNetConfig, ResNetModel

from .captions import training_caption
from .people import base_figure, random_scene

CHAT_TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
JINJA_TEMPLATE = (  # the same for tokenizer.apply_chat_template, which diffusers' pipeline calls
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEXT_WIDTH = 128
SCALING_FACTOR, SHIFT_FACTOR = 0.3611, 0.1159
ENCODER_SIDE_PX = 96


def build_tokenizer(rng: random.Random, num_captions: int = 6000) -> Qwen2Tokenizer:
    """Byte-level BPE in Qwen2's own scheme, its merges learnt from our captions; no unseen name is among them."""
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.NFC()
    trained.pre_tokenizer = Qwen2Tokenizer().backend_tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=640,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    captions = [training_caption(base_figure(rng), random_scene(rng), rng) for _ in range(num_captions)]
    trained.train_from_iterator([*captions, *["user\n", "assistant\n"] * 100], trainer)
    bpe = json.loads(trained.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=bpe["vocab"],
        merges=[tuple(merge) for merge in bpe["merges"]],
        extra_special_tokens=SPECIAL_TOKENS[1:],
        model_max_length=512,
    )
    tokenizer.chat_template = JINJA_TEMPLATE
    return tokenizer


def build_text_encoder(vocab_size: int) -> Qwen3Model:
    """Four layers, of which the second-to-last is read, as in Z-Image: so the last is never trained."""
    config = Qwen3Config(
        vocab_size=vocab_size,
        hidden_size=TEXT_WIDTH,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=2048,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    text_encoder = Qwen3Model(config)
    nn.init.normal_(text_encoder.embed_tokens.weight)  # the library's 0.02 leaves words too alike to be told apart
    return text_encoder


def build_transformer() -> ZImageTransformer2DModel:
    """The narrowest widths that diffusers and ComfyUI both accept, with Xavier matrices and a silent start."""
    transformer = ZImageTransformer2DModel(
        in_channels=16,
        dim=288,
        n_layers=4,
        n_refiner_layers=2,
        n_heads=3,
        n_kv_heads=3,
        norm_eps=1e-5,
        qk_norm=True,
        cap_feat_dim=TEXT_WIDTH,
        rope_theta=256.0,
        t_scale=1000.0,
        axes_dims=[32, 32, 32],
        axes_lens=[1536, 512, 512],
    )
    for module in transformer.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias) if module.bias is not None else None
    nn.init.zeros_(transformer.all_final_layer["2-1"].linear.weight)
    return transformer


def build_vae() -> AutoencoderKL:
    """8x smaller sides, 16 channels, in Z-Image's latent scale and shift.

    At least 64 wide: with the 32 groups that ComfyUI fixes, 32 channels are instance norm, which loses mean colours.
    """
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(64, 64, 64, 64),
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=32,
        sample_size=128,
        scaling_factor=SCALING_FACTOR,
        shift_factor=SHIFT_FACTOR,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def build_figure_encoder() -> ResNetModel:
    """96 px in, 128 numbers out (`pooler_output`); two photos of one figure point the same way."""
    config = ResNetConfig(embedding_size=32, hidden_sizes=[32, 64, 96, 128], depths=[1, 1, 2, 2], layer_type="basic")
    return ResNetModel(config)


def build_scheduler() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=False)


def caption_features(text_encoder: Qwen3Model, tokenizer: Qwen2Tokenizer, captions: list[str]) -> list[torch.Tensor]:
    """Per caption [num_tokens, TEXT_WIDTH]: the second-to-last hidden state of the caption in the chat template."""
    tokens = tokenizer([CHAT_TEMPLATE.format(caption) for caption in captions], padding=True, return_tensors="pt")
    states_BNC = text_encoder(**tokens, output_hidden_states=True).hidden_states[-2]
    return [states_NC[mask.bool()] for states_NC, mask in zip(states_BNC, tokens["attention_mask"], strict=True)]


def encode_pictures(vae: AutoencoderKL, pixels_B3HW: torch.Tensor) -> torch.Tensor:
    """The mean latents in the transformer's scale, [B, 16, H/8, W/8]."""
    return (vae.encode(pixels_B3HW).latent_dist.mean - SHIFT_FACTOR) * SCALING_FACTOR


def decode_latents(vae: AutoencoderKL, latents_BCHW: torch.Tensor) -> torch.Tensor:
    """Pixels in -1..1, [B, 3, 8H, 8W]."""
    return vae.decode(latents_BCHW / SCALING_FACTOR + SHIFT_FACTOR).sample.clamp(-1, 1)


def save_part(part: nn.Module, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """save_pretrained of a copy in `dtype`, put in place in one move so that a reader never sees half of it."""
    scratch = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    copy = type(part)(part.config) if not hasattr(part, "from_config") else type(part).from_config(part.config)
    copy.load_state_dict(part.state_dict())
    copy.to(dtype).save_pretrained(scratch)
    folder.mkdir(parents=True, exist_ok=True)
    for file in scratch.iterdir():
        os.replace(file, folder / file.name)
    scratch.rmdir()


def save_pipeline_index(model_dir: Path) -> None:
    """model_index.json, which tells diffusers which class lies in which folder, and the scheduler."""
    index = {
        "_class_name": "ZImagePipeline",
        "_diffusers_version": "0.36.0",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Qwen3Model"],
        "tokenizer": ["transformers", "Qwen2Tokenizer"],
        "transformer": ["diffusers", "ZImageTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    build_scheduler().save_pretrained(model_dir / "scheduler")
    (model_dir / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
