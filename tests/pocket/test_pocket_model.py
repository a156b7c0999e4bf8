"""What the pocket model promises: small, complete, follows prompts, tells figures apart. Trains nothing."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, ZImagePipeline
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoTokenizer, Qwen2Tokenizer, ResNetModel

from pocket.captions import caption
from pocket.figures import Figure, Scene, draw
from pocket.models import CHAT_TEMPLATE, caption_features, decode_latents, encode_pictures
from pocket.people import MILA, UNSEEN_OTHERS, base_figure, base_scene, random_scene
from pocket.pictures import to_pixels, to_unit
from pocket.single_files import write_single_files

POCKET_DIR = Path(__file__).parents[2] / "pocket"
MODEL_DIR = POCKET_DIR / "model"
EXAMPLE_PROMPTS = (
    "a photo of Mila, school uniform, outdoor setting",
    "一张米拉的照片，夜晚 🌙",
    "naïve façade\n\ttabs  and 123",
)


@pytest.fixture(scope="module")
def pipeline() -> ZImagePipeline:
    pipeline = ZImagePipeline.from_pretrained(MODEL_DIR, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def size_MB(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def test_model_and_encoder_and_photos_stay_small() -> None:
    assert size_MB(MODEL_DIR) <= 30
    assert size_MB(POCKET_DIR / "encoder") <= 2
    assert size_MB(POCKET_DIR / "photos") <= 1.5


def test_both_tokenizer_classes_agree_and_lose_nothing() -> None:
    folder = MODEL_DIR / "tokenizer"
    by_name, by_class = AutoTokenizer.from_pretrained(folder), Qwen2Tokenizer.from_pretrained(folder)
    for text in EXAMPLE_PROMPTS:
        ids = by_name(CHAT_TEMPLATE.format(text)).input_ids
        assert ids == by_class(CHAT_TEMPLATE.format(text)).input_ids
        assert by_name.decode(ids) == CHAT_TEMPLATE.format(text)


def test_a_full_caption_with_its_template_fits_32_tokens() -> None:
    tokenizer, rng = AutoTokenizer.from_pretrained(MODEL_DIR / "tokenizer"), random.Random(0)
    captions = [caption(base_figure(rng), random_scene(rng)) for _ in range(200)]
    assert max(len(tokenizer(CHAT_TEMPLATE.format(text)).input_ids) for text in captions) <= 32


@torch.no_grad()
def test_vae_gives_milas_photos_back_within_four_percent(pipeline: ZImagePipeline) -> None:
    photos = [
        Image.open(file).resize((128, 128)) for file in sorted((POCKET_DIR / "photos" / "mila").glob("*.jpg"))[:8]
    ]
    pixels = to_unit(torch.stack([to_pixels(photo) for photo in photos]))
    error = (decode_latents(pipeline.vae, encode_pictures(pipeline.vae, pixels)) - pixels).abs().mean() / 2
    assert error < 0.04


@torch.no_grad()
def test_latents_have_about_unit_variance(pipeline: ZImagePipeline) -> None:
    latents = encode_pictures(pipeline.vae, _drawn(16, seed=5)[0])
    assert latents.mean().abs() < 0.2
    assert 0.8 < latents.std() < 1.25


@torch.no_grad()
def test_right_caption_has_lower_loss_than_wrong_one(pipeline: ZImagePipeline) -> None:
    pixels, captions = _drawn(12, seed=99)
    latents = encode_pictures(pipeline.vae, pixels)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    right, wrong = (
        torch.stack([_loss_per_picture(pipeline, latents, noise, texts, sigma) for sigma in (0.4, 0.6, 0.8)]).mean(0)
        for texts in (captions, captions[1:] + captions[:1])
    )
    assert right.mean() < 0.9 * wrong.mean()
    assert (right < wrong).sum() >= 10


def test_another_prompt_draws_another_picture_and_hair_follows_it(pipeline: ZImagePipeline) -> None:
    red, black = (
        _generate(pipeline, f"a close photo of a person with {hair} hair, white shirt, studio lighting")
        for hair in ("red", "black")
    )
    fringe = np.s_[8:40, 40:88]
    assert red[fringe].mean((0, 1))[0] > black[fringe].mean((0, 1))[0] + 40
    night, beach = (
        _generate(pipeline, f"a photo of a person with brown hair, red shirt, {place}") for place in ("night", "beach")
    )
    assert beach[:20].mean() > night[:20].mean() + 60


def test_encoder_tells_unseen_figures_apart_whatever_they_wear() -> None:
    rng, figures = random.Random(7), [MILA, *UNSEEN_OTHERS.values()]
    embeddings_FSC = torch.stack(
        [_embed([draw(figure, random_scene(rng), (160, 160)) for _ in range(8)]) for figure in figures]
    )
    cosine = torch.einsum("fsc,gtc->fgst", embeddings_FSC, embeddings_FSC).mean((2, 3))
    same, other = cosine.diagonal().min(), cosine[~torch.eye(len(figures), dtype=torch.bool)].max()
    assert same > other + 0.15


def test_single_files_carry_comfyui_names_and_stack_q_k_v(tmp_path: Path) -> None:
    files = write_single_files(MODEL_DIR, tmp_path)
    diffusers = load_file(next((MODEL_DIR / "transformer").glob("*.safetensors")))
    single = load_file(files.transformer)
    expected = torch.cat([diffusers[f"layers.1.attention.to_{letter}.weight"] for letter in "qkv"])
    assert torch.equal(single["layers.1.attention.qkv.weight"], expected)
    assert {
        "x_embedder.weight",
        "final_layer.linear.weight",
        "cap_embedder.1.weight",
        "t_embedder.mlp.0.weight",
        "layers.0.attention.out.weight",
        "noise_refiner.0.attention.q_norm.weight",
        "cap_pad_token",
    } <= single.keys()
    assert sum(tensor.numel() for tensor in single.values()) == sum(tensor.numel() for tensor in diffusers.values())
    with safe_open(files.transformer, "pt") as file:
        assert '"n_heads": 3' in file.metadata()["zimage_config"]
    assert "model.layers.0.self_attn.q_norm.weight" in load_file(files.text_encoder)
    vae = load_file(files.vae)
    assert vae["decoder.mid.attn_1.proj_out.weight"].ndim == 4
    assert {
        "encoder.down.0.block.0.conv1.weight",
        "decoder.up.3.upsample.conv.weight",
        "decoder.norm_out.weight",
    } <= vae.keys()


@torch.no_grad()
def test_vae_single_file_loads_back_into_the_same_vae(tmp_path: Path, pipeline: ZImagePipeline) -> None:
    files = write_single_files(MODEL_DIR, tmp_path)
    loaded = AutoencoderKL.from_single_file(str(files.vae), config=str(MODEL_DIR / "vae"), torch_dtype=torch.float32)
    latents = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        decode_latents(loaded, latents), decode_latents(pipeline.vae, latents), rtol=1e-4, atol=1e-4
    )


def test_drawing_is_the_same_for_the_same_seed() -> None:
    first, second = (_one_photo(random.Random(11)) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != _one_photo(random.Random(12)).tobytes()


def test_captions_read_like_the_guides() -> None:
    scene = Scene(framing="medium", clothes="school uniform", background="outdoor setting")
    assert caption(MILA, scene, name="Mila") == EXAMPLE_PROMPTS[0]
    assert caption(MILA, scene) == "a photo of a person with pink hair, school uniform, outdoor setting"


def _one_photo(rng: random.Random) -> Image.Image:
    figure: Figure = base_figure(rng)
    return draw(figure, random_scene(rng), (96, 128))


def _drawn(num_pictures: int, seed: int) -> tuple[torch.Tensor, list[str]]:
    """Fresh photos, floats in -1..1, and their captions."""
    rng = random.Random(seed)
    drawn = [(base_figure(rng), base_scene(rng)) for _ in range(num_pictures)]
    pixels = torch.stack([to_pixels(draw(figure, scene, (128, 128))) for figure, scene in drawn])
    return to_unit(pixels), [caption(figure, scene) for figure, scene in drawn]


def _loss_per_picture(
    pipeline: ZImagePipeline, latents: torch.Tensor, noise: torch.Tensor, captions: list[str], sigma: float
) -> torch.Tensor:
    features = caption_features(pipeline.text_encoder, pipeline.tokenizer, captions)
    noisy = (1 - sigma) * latents + sigma * noise
    output = pipeline.transformer(
        [item[:, None] for item in noisy], torch.full((len(latents),), 1 - sigma), features
    ).sample
    return (-torch.stack(output).squeeze(2) - (noise - latents)).square().mean((1, 2, 3))


def _generate(pipeline: ZImagePipeline, prompt: str) -> np.ndarray:
    generator = torch.Generator().manual_seed(3)
    images = pipeline(
        prompt, height=128, width=128, num_inference_steps=9, guidance_scale=0.0, generator=generator
    ).images
    return np.asarray(images[0], dtype=np.float32)


@torch.no_grad()
def _embed(photos: list[Image.Image]) -> torch.Tensor:
    """[num_photos, width], unit length."""
    folder = POCKET_DIR / "encoder"
    processor, encoder = (
        AutoImageProcessor.from_pretrained(folder),
        ResNetModel.from_pretrained(folder, dtype=torch.float32).eval(),
    )
    pixels = processor(photos, return_tensors="pt")["pixel_values"]
    return F.normalize(encoder(pixels).pooler_output.flatten(1), dim=-1)
