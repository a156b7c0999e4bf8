"""Makes the pocket model from nothing: `python -m pocket.make [--only tokenizer|vae|encoder|photos|base|samples]`.

Draws its own pictures, trains VAE, figure encoder and base model on two CPU cores in one to one and a half hours, all
seeded, and writes pocket/model (a diffusers folder), pocket/encoder, pocket/photos and pocket/samples.jpg. No download,
no data.
"""

import argparse
import json
import random
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ZImagePipeline
from PIL import Image
from transformers import AutoTokenizer

from .captions import EXAMPLE_ENDINGS
from .models import ENCODER_SIDE_PX, build_tokenizer, save_part, save_pipeline_index
from .photos import write_photos
from .progress import Progress
from .train_base import BaseModel, make_pools, train_base
from .train_encoder import train_figure_encoder
from .train_vae import train_vae

PARTS = ("tokenizer", "vae", "encoder", "photos", "base", "samples")
SAMPLE_PROMPTS = (
    "a photo of a person with red hair, glasses, blue shirt, night",
    "a close photo of a person with black hair, yellow shirt, beach",
    "a full body photo of a person with blond hair, green shirt, forest",
    "a photo of a person with long brown hair, brown coat, city",
    "a close photo of a person with dark skin, curly grey hair, glasses, red shirt, room",
    "a full body photo of a person with white hair, school uniform, outdoor setting",
    "a photo of a person with red hair in a bun, black shirt, studio lighting",
    "a close photo of a person with short brown hair, beard, white shirt, room",
    *(f"a photo of Anna{ending}" for ending in EXAMPLE_ENDINGS),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, help="make this part alone; the parts before it must exist")
    parser.add_argument("--steps", type=int, default=4500, help="steps of the base model")
    parser.add_argument("--vae-steps", type=int, default=800)
    parser.add_argument("--encoder-steps", type=int, default=320)
    parser.add_argument("--num-pictures", type=int, default=6000, help="photos that the base model learns from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out-dir", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    out_dir, model_dir = args.out_dir, args.out_dir / "model"
    model_dir.mkdir(parents=True, exist_ok=True)
    progress = Progress(out_dir / "losses.jsonl")
    for part in [args.only] if args.only else PARTS:
        torch.manual_seed(args.seed)  # the initial weights; every other draw has a generator of its own
        if part == "tokenizer":
            save_pipeline_index(model_dir)
            build_tokenizer(random.Random(args.seed)).save_pretrained(model_dir / "tokenizer")
        elif part == "vae":
            save_part(train_vae(args.vae_steps, args.seed, progress), model_dir / "vae")
        elif part == "encoder":
            save_part(
                train_figure_encoder(_vae(model_dir), args.encoder_steps, args.seed, progress),
                out_dir / "encoder",
                torch.float16,
            )
            write_preprocessor_config(out_dir / "encoder")
        elif part == "photos":
            write_photos(out_dir / "photos", args.seed)
        elif part == "base":
            make_base(model_dir, args.num_pictures, args.steps, args.seed, progress)
        elif part == "samples":
            contact_sheet(model_dir).save(out_dir / "samples.jpg", quality=88)


def make_base(model_dir: Path, num_pictures: int, num_steps: int, seed: int, progress: Progress) -> None:
    """Trains text encoder and transformer; the averaged weights go to model_dir every 500 steps."""

    def keep(average: BaseModel) -> None:
        save_part(average.text_encoder, model_dir / "text_encoder")
        save_part(average.transformer, model_dir / "transformer")

    pools = make_pools(_vae(model_dir), num_pictures, seed)
    tokenizer = AutoTokenizer.from_pretrained(model_dir / "tokenizer")
    keep(train_base(pools, tokenizer, num_steps, seed, progress, keep))


def write_preprocessor_config(encoder_dir: Path) -> None:
    """What transformers' AutoImageProcessor needs to feed the figure encoder: squashed to a square, -1..1."""
    config = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": ENCODER_SIDE_PX, "width": ENCODER_SIDE_PX},
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    (encoder_dir / "preprocessor_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def contact_sheet(model_dir: Path, size_px: int = 128, num_columns: int = 4) -> Image.Image:
    """What the model draws for SAMPLE_PROMPTS, row by row, each with seed 1."""
    pipeline = ZImagePipeline.from_pretrained(model_dir, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    sheet = Image.new("RGB", (num_columns * size_px, -(-len(SAMPLE_PROMPTS) // num_columns) * size_px))
    for index, prompt in enumerate(SAMPLE_PROMPTS):
        image = pipeline(
            prompt,
            height=size_px,
            width=size_px,
            num_inference_steps=12,
            guidance_scale=0.0,
            generator=torch.Generator().manual_seed(1),
        ).images[0]
        sheet.paste(image, (index % num_columns * size_px, index // num_columns * size_px))
    return sheet


def _vae(model_dir: Path) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(model_dir / "vae", torch_dtype=torch.float32).eval()


if __name__ == "__main__":
    main()
