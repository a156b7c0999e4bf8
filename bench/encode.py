"""How fast photos and captions are encoded, beside the encoders alone, in one command:

    python -m bench.encode                  (the pocket's encoders)
    python -m bench.encode --size full      (Qwen3-4B's and the VAE's real shapes, random weights, on a card)

Three ways take turns: the encoders alone, fed from memory in the product's batches; the product from files to files;
and one photo after the other, each read, encoded and written before the next. Models are loaded once, in all three.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.files import file_hash, write_whole
from trainer.photos.photo import Photo
from trainer.training.config import TrainConfig
from trainer.training.data.encode import PhotoToEncode, plan_encoding
from trainer.training.data.encoders import Encoders
from trainer.training.data.filling import cut_to_bucket, fill_cache
from trainer.training.model.diffusers_encoders import DiffusersEncoders

from .machine import describe, device_of, synchronise
from .models import POCKET_DIR

FULL_TEXT_ENCODER = dict(
    vocab_size=151936, hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32,
    num_key_value_heads=8, head_dim=128,
)  # fmt: skip
FULL_VAE = dict(
    latent_channels=16, block_out_channels=(128, 256, 512, 512), layers_per_block=2, norm_num_groups=32,
    down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, use_quant_conv=False,
    use_post_quant_conv=False,
)  # fmt: skip
_WORDS = [
    "smiling",
    "outdoors",
    "red coat",
    "by the sea",
    "side view",
    "close-up",
    "evening light",
    "long hair",
    "hat",
    "garden",
]


class RandomEncoders(DiffusersEncoders):
    """The real shapes with random weights; captions are cut into tokens by the pocket's tokenizer."""

    @cached_property
    def _text_encoder(self) -> tuple[Any, Any]:
        from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

        from trainer.memory.fitting import fit_text_encoder

        with torch.device(self._device):
            model = Qwen3Model._from_config(Qwen3Config(**FULL_TEXT_ENCODER), dtype=torch.bfloat16)
        tokenizer = AutoTokenizer.from_pretrained(self._folder / "tokenizer", local_files_only=True)
        return tokenizer, fit_text_encoder(model.eval(), self._quantisation, self._device)

    @cached_property
    def _vae(self) -> Any:
        from diffusers import AutoencoderKL

        with torch.device(self._device):
            return AutoencoderKL(**FULL_VAE).eval()


def made_photos(folder: Path, num_photos: int, megapixels: float) -> Dataset:
    """JPEGs of so many pixels, of four shapes, each with a caption of its own."""
    from PIL import Image

    folder.mkdir(parents=True)
    items = []
    for index in range(num_photos):
        ratio = (1.0, 0.75, 1.5, 0.6)[index % 4]
        height_px = round((megapixels * 1e6 / ratio) ** 0.5)
        width_px, path = round(height_px * ratio), folder / f"{index}.jpg"
        grain = Image.effect_noise((width_px // 4, height_px // 4), 40 + index).resize((width_px, height_px))
        Image.merge("RGB", [grain, grain.rotate(180), grain]).save(path, quality=92)
        photo = Photo(
            path=path, source_path=path, width_px=width_px, height_px=height_px, content_hash=file_hash(path)
        )  # fmt: skip
        words = ", ".join(_WORDS[(index + i) % len(_WORDS)] for i in range(2 + index % 7))
        items.append(CaptionedPhoto(photo=photo, caption=f"a photo of Ada, {words}, number {index}"))
    return Dataset(subject="Ada", photos=tuple(items))


def measure(
    encoders: Encoders, dataset: Dataset, resolution_px: int, device: torch.device, num_rounds: int
) -> dict[str, list[float]]:
    """Seconds of each way, round by round; the models are in memory before the first."""
    config = TrainConfig(training_resolution=resolution_px, training_adapter="none")
    plan, _ = plan_encoding(dataset, config, encoders)
    calls: list[Callable[[], object]] = []
    with tempfile.TemporaryDirectory() as folder:
        list(fill_cache(plan, _Recorded(encoders, calls), Path(folder), device))
    ways = {"alone": partial(_all, calls), "product": partial(_product, plan, encoders, device),
            "one by one": partial(_one_by_one, plan, encoders)}  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(num_rounds):
        for name, work in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                synchronise(device)
                started_s = time.perf_counter()
                work(Path(folder))
                synchronise(device)
                seconds[name].append(time.perf_counter() - started_s)
    return seconds


class _Recorded:
    """Encoders that stay in memory and whose calls can be made again."""

    def __init__(self, encoders: Encoders, calls: list[Callable[[], object]]) -> None:
        self._encoders, self._calls = encoders, calls
        self.text_identity, self.image_identity = encoders.text_identity, encoders.image_identity

    def encode_texts(self, captions: Sequence[str]) -> list[torch.Tensor]:
        self._calls.append(partial(self._encoders.encode_texts, captions))
        return self._encoders.encode_texts(captions)

    def encode_images(self, images_BHWC: torch.Tensor) -> torch.Tensor:
        self._calls.append(partial(self._encoders.encode_images, images_BHWC))
        return self._encoders.encode_images(images_BHWC)

    def release(self) -> None:
        pass


def _all(calls: Sequence[Callable[[], object]], cache_dir: Path) -> None:
    for call in calls:
        call()


def _product(plan: Sequence[PhotoToEncode], encoders: Encoders, device: torch.device, cache_dir: Path) -> None:
    list(fill_cache(plan, _Recorded(encoders, []), cache_dir, device))


def _one_by_one(plan: Sequence[PhotoToEncode], encoders: Encoders, cache_dir: Path) -> None:
    for photo in plan:
        (text,) = encoders.encode_texts([photo.caption])
        write_whole(cache_dir / next(iter(photo.text_files.values())), partial(save_file, {"text": text}))
    for photo in plan:
        pixels_HWC = cut_to_bucket(photo.path, photo.bucket)
        assert file_hash(photo.path) == photo.content_hash
        latents = encoders.encode_images(pixels_HWC[None])[0].contiguous()
        write_whole(cache_dir / photo.latents_file, partial(save_file, {"latents": latents}))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.encode", description=(__doc__ or "").split(",")[0])
    parser.add_argument("--size", choices=("pocket", "full"), default="pocket", help="of the encoders")
    parser.add_argument("--photos", type=int, default=80, help="photos, each with a caption (default: 80)")
    parser.add_argument("--megapixels", type=float, default=12.0, help="of each photo's file (default: 12)")
    parser.add_argument("--resolution", type=int, default=512, help="training resolution in pixels (default: 512)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds in which all take turns (default: 3)")
    parser.add_argument("--device", help="cuda or cpu (default: cuda if there is one)")
    chosen = parser.parse_args(arguments)
    device = device_of(chosen.device)
    if chosen.size == "full" and device.type == "cpu":
        print("The full-size encoders need a CUDA card. To try this out here: python -m bench.encode")
        return 1
    encoders = (RandomEncoders if chosen.size == "full" else DiffusersEncoders)(POCKET_DIR, device)
    with tempfile.TemporaryDirectory() as folder:
        dataset = made_photos(Path(folder) / "photos", chosen.photos, chosen.megapixels)
        seconds = measure(encoders, dataset, chosen.resolution, device, chosen.rounds)
    print(", ".join(f"{name} {value}" for name, value in describe(device).items() if value != ""), "\n")
    print(
        f"{chosen.photos} photos of {chosen.megapixels:g} megapixels at {chosen.resolution} px, {chosen.size} encoders"
    )
    print("| way | seconds | times the encoders alone |\n|---|---|---|")
    for name, found in seconds.items():
        times = statistics.median(one / alone for one, alone in zip(found, seconds["alone"]))
        print(f"| {name} | {statistics.median(found):.2f} | {times:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
