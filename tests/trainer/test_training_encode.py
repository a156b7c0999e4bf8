"""Encoding: what is fed to the model, and that it is made once for each content."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainer.conftest import CPU, CountingEncoders, losses_of, save_photo
from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.messages import UserError
from trainer.training.config import TrainConfig
from trainer.training.data.encode import EncodedDataset, plan_encoding, read_encoded
from trainer.training.data.filling import cut_to_bucket, fill_cache
from trainer.training.model.diffusers_encoders import DiffusersEncoders
from trainer.training.telling.events import Warned


def encoded(
    dataset: Dataset, encoders: CountingEncoders, cache_dir: Path, trigger_word: str = "", px: int = 64
) -> EncodedDataset:
    config = TrainConfig(trigger_word=trigger_word, training_resolution=px)
    plan, _ = plan_encoding(dataset, config, encoders)
    list(fill_cache(plan, encoders, cache_dir, CPU))
    return read_encoded(plan, cache_dir, config)


def with_item(dataset: Dataset, index: int, **changes: object) -> Dataset:
    items = list(dataset.photos)
    items[index] = dataclasses.replace(items[index], **changes)
    return dataclasses.replace(dataset, photos=tuple(items))


def test_the_second_time_nothing_is_encoded(dataset: Dataset, encoders: CountingEncoders, tmp_path: Path) -> None:
    first = encoded(dataset, encoders, tmp_path)
    assert len(encoders.texts) == len(set(encoders.texts)) == 4, "equal captions are encoded once"
    assert encoders.num_images == len(dataset.photos)
    again = encoded(dataset, encoders, tmp_path)
    assert encoders.num_encoded == 4 + len(dataset.photos)
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.latents_CHW, other.latents_CHW) and torch.equal(one.text, other.text)


def test_a_changed_caption_encodes_that_caption_alone(
    dataset: Dataset, encoders: CountingEncoders, tmp_path: Path
) -> None:
    encoded(dataset, encoders, tmp_path)
    num_images, encoders.texts = encoders.num_images, []
    encoded(with_item(dataset, 2, caption="a photo of Ada with ponytail"), encoders, tmp_path)
    assert encoders.texts == ["a photo of Ada with ponytail"] and encoders.num_images == num_images


def test_a_changed_photo_of_the_same_name_and_size_is_encoded_anew(encoders: CountingEncoders, tmp_path: Path) -> None:
    def dataset(seed: int) -> Dataset:
        photo = save_photo(tmp_path / "photos" / "a.png", 64, 64, seed=seed)
        return Dataset(subject="Ada", photos=(CaptionedPhoto(photo=photo, caption="a photo of Ada"),))

    first, second, third = (encoded(dataset(seed), encoders, tmp_path / "cache")[0] for seed in (1, 2, 1))
    assert encoders.num_images == 2 and len(encoders.texts) == 1
    assert not torch.equal(first.latents_CHW, second.latents_CHW) and torch.equal(first.latents_CHW, third.latents_CHW)


@pytest.mark.parametrize("part", ["text_identity", "image_identity"])
def test_other_encoders_are_not_served_from_the_cache(
    dataset: Dataset, encoders: CountingEncoders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    encoded(dataset, encoders, tmp_path)
    before = len(encoders.texts), encoders.num_images
    monkeypatch.setattr(encoders, part, "other weights")
    encoded(dataset, encoders, tmp_path)
    more = len(encoders.texts) - before[0], encoders.num_images - before[1]
    assert more == ((4, 0) if part == "text_identity" else (0, len(dataset.photos)))


def test_another_resolution_encodes_photos_and_not_captions(
    dataset: Dataset, encoders: CountingEncoders, tmp_path: Path
) -> None:
    small = encoded(dataset, encoders, tmp_path, px=64)
    before = len(encoders.texts), encoders.num_images
    large = encoded(dataset, encoders, tmp_path, px=128)
    assert len(encoders.texts) == before[0]
    moved = [i for i, (one, other) in enumerate(zip(small, large, strict=True)) if one.bucket != other.bucket]
    assert moved == [2] and encoders.num_images - before[1] == 1, "only the 80x70 photo gains from more pixels"


def test_latents_are_the_vaes_mean_of_the_cut_photo_scaled_and_shifted(
    dataset: Dataset, encoders: CountingEncoders, pocket_dir: Path, tmp_path: Path
) -> None:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(pocket_dir / "vae", torch_dtype=torch.float32, local_files_only=True).eval()
    for item, captioned in zip(encoded(dataset, encoders, tmp_path), dataset.photos, strict=True):
        pixels = independently_cut(captioned.photo.path, item.bucket)
        with torch.no_grad():
            mean = vae.encode(pixels.permute(2, 0, 1)[None] * 2 - 1).latent_dist.mean[0]
        expected = (mean - 0.1159) * 0.3611
        assert item.latents_CHW.shape == (16, item.bucket[1] // 8, item.bucket[0] // 8)
        torch.testing.assert_close(item.latents_CHW, expected, rtol=1e-5, atol=1e-5)
        assert item.latents_CHW.dtype == torch.float32


def independently_cut(path: Path, bucket: tuple[int, int]) -> torch.Tensor:
    """Scaled until it covers the bucket, then the middle."""
    image = Image.open(path).convert("RGB")
    scale = max(bucket[0] / image.width, bucket[1] / image.height)
    image = image.resize(tuple(max(b, round(s * scale)) for s, b in zip(image.size, bucket)), Image.Resampling.BICUBIC)
    pixels = np.asarray(image, dtype=np.float32) / 255
    top, left = (pixels.shape[0] - bucket[1]) // 2, (pixels.shape[1] - bucket[0]) // 2
    return torch.from_numpy(pixels[top : top + bucket[1], left : left + bucket[0]].copy())


def test_a_cut_keeps_the_middle_and_fills_the_bucket(tmp_path: Path) -> None:
    image = Image.new("RGB", (200, 100))
    image.paste((255, 255, 255), (90, 0, 110, 100))
    image.save(tmp_path / "stripe.png")
    pixels = cut_to_bucket(tmp_path / "stripe.png", (64, 64))
    assert pixels.shape == (64, 64, 3) and pixels.dtype == torch.float32
    bright = (pixels.mean(dim=(0, 2)) > 0.5).nonzero().flatten().float()
    assert bright.mean() == pytest.approx(31.5, abs=0.5) and pixels.min() >= 0 and pixels.max() <= 1


def test_text_is_the_second_to_last_layers_output_for_the_literal_template(
    dataset: Dataset, encoders: CountingEncoders, pocket_dir: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer, Qwen3Model

    tokenizer = AutoTokenizer.from_pretrained(pocket_dir / "tokenizer", local_files_only=True)
    model = Qwen3Model.from_pretrained(pocket_dir / "text_encoder", dtype=torch.float32, local_files_only=True).eval()
    for item, captioned in zip(encoded(dataset, encoders, tmp_path), dataset.photos, strict=True):
        framed = f"<|im_start|>user\n{captioned.caption}<|im_end|>\n<|im_start|>assistant\n"
        tokens = tokenizer(framed, padding="max_length", max_length=128, return_tensors="pt")
        with torch.no_grad():
            states = model(**tokens, output_hidden_states=True).hidden_states
        expected = states[-2][0][tokens.attention_mask[0].bool()]
        assert len(states) == model.config.num_hidden_layers + 1
        torch.testing.assert_close(item.text, expected, rtol=1e-4, atol=1e-4)


def test_the_trigger_word_is_part_of_what_is_encoded(
    dataset: Dataset, encoders: CountingEncoders, tmp_path: Path
) -> None:
    encoded(dataset, encoders, tmp_path, trigger_word="xyz")
    assert all(text == f"xyz a photo of Ada{text.partition('Ada')[2]}" for text in encoders.texts)
    changed = with_item(dataset, 0, caption="a photo of [trigger] at home")
    encoded(changed, encoders, tmp_path, trigger_word="xyz")
    assert encoders.texts[4:] == ["a photo of xyz at home"]


def test_small_photos_are_warned_about_and_tiny_or_missing_ones_refused(
    dataset: Dataset, encoders: CountingEncoders, tmp_path: Path
) -> None:
    plan, warnings = plan_encoding(dataset, TrainConfig(training_resolution=64), encoders)
    assert [warning.key for warning in warnings] == ["train.photos_small"] and warnings[0].values["num"] == 2
    large = with_item(dataset, 0, photo=dataclasses.replace(dataset.photos[0].photo, width_px=15, height_px=300))
    with pytest.raises(UserError) as caught:
        plan_encoding(large, TrainConfig(training_resolution=64), encoders)
    assert caught.value.message.key == "train.photo_too_small" and "0.png" in str(caught.value)
    with pytest.raises(UserError) as caught:
        plan_encoding(Dataset(subject="Ada", photos=()), TrainConfig(training_resolution=64), encoders)
    assert caught.value.message.key == "train.no_photos"


def test_a_caption_is_never_lost_to_a_crash_while_encoding(
    dataset: Dataset, encoders: CountingEncoders, tmp_path: Path
) -> None:
    """Closed after the first caption is told of, the next run makes only what is missing."""
    plan, _ = plan_encoding(dataset, TrainConfig(training_resolution=64), encoders)
    filling = fill_cache(plan, encoders, tmp_path, CPU)
    next(filling)
    filling.close()
    assert encoders.num_encoded == 4
    encoded(dataset, encoders, tmp_path)
    assert encoders.num_encoded == 4 + len(dataset.photos)


def test_a_run_warns_releases_the_encoders_and_encodes_only_once(
    make_job: Callable, run_through: Callable, encoders: CountingEncoders
) -> None:
    events = run_through(make_job(), stop_after=1)
    made = encoders.num_encoded
    assert made == 4 + 5 and encoders.num_releases == 2  # after the captions, and at the end
    assert [event.message.key for event in events if isinstance(event, Warned)] == ["train.photos_small"]
    assert losses_of(run_through(make_job())).keys() == set(range(2, 7))
    assert encoders.num_encoded == made


class OneAtATime(DiffusersEncoders):
    """The real encoders, which look for each other while they work."""

    num_texts = num_images = 0

    def encode_texts(self, captions: Sequence[str]) -> list[torch.Tensor]:
        assert "_vae" not in self.__dict__
        self.num_texts += len(captions)
        return super().encode_texts(captions)

    def encode_images(self, images_BHWC: torch.Tensor) -> torch.Tensor:
        assert "_text_encoder" not in self.__dict__
        self.num_images += len(images_BHWC)
        return super().encode_images(images_BHWC)


def test_text_encoder_and_vae_are_never_in_memory_together_and_see_nothing_twice(
    dataset: Dataset, pocket_dir: Path, tmp_path: Path
) -> None:
    config = TrainConfig(training_resolution=64, training_adapter="none")
    encoders = OneAtATime(pocket_dir, CPU)
    for _ in range(2):
        list(fill_cache(plan_encoding(dataset, config, encoders)[0], encoders, tmp_path, CPU))
    assert encoders.num_texts == len({photo.caption for photo in dataset.photos}) < len(dataset.photos)
    assert encoders.num_images == len(dataset.photos)


def test_released_encoders_load_again_and_give_the_same(pocket_dir: Path) -> None:
    encoders = DiffusersEncoders(pocket_dir, CPU)
    image = torch.rand(32, 48, 3, generator=torch.Generator().manual_seed(0))
    before = encoders.encode_texts(["a photo of Ada"])[0], encoders.encode_images(image[None])[0]
    encoders.release()
    after = encoders.encode_texts(["a photo of Ada"])[0], encoders.encode_images(image[None])[0]
    assert all(torch.equal(*pair) for pair in zip(before, after))
    assert before[1].shape == (16, 4, 6)


def test_a_folder_without_encoders_is_refused_by_the_part_that_is_missing(tiny_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "text_encoder").mkdir()
    with pytest.raises(UserError) as caught:
        DiffusersEncoders(tmp_path, CPU)
    assert caught.value.message.key == "base.no_encoders" and "tokenizer" in str(caught.value)
