"""Several at once: the same numbers as alone, within bounds, and fewer where memory does not suffice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import CPU, CountingEncoders, save_photo
from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.messages import Message
from trainer.photos.photo import Photo
from trainer.training.config import TrainConfig
from trainer.training.data import filling
from trainer.training.data.encode import EncodedDataset, plan_encoding, read_encoded
from trainer.training.data.encoders import OneByOne
from trainer.training.data.filling import fill_cache
from trainer.training.telling.events import Warned

CONFIG = TrainConfig(training_resolution=64)


def encoded(dataset: Dataset, encoders: CountingEncoders, cache_dir: Path) -> EncodedDataset:
    plan, _ = plan_encoding(dataset, CONFIG, encoders)
    list(fill_cache(plan, encoders, cache_dir, CPU))
    return read_encoded(plan, cache_dir, CONFIG)


def test_together_or_alone_encoders_give_the_same(dataset: Dataset, kept_encoders: CountingEncoders) -> None:
    captions = ["a", *(captioned.caption for captioned in dataset.photos), ""]
    for together, caption in zip(kept_encoders.encode_texts(captions), captions, strict=True):
        (alone,) = kept_encoders.encode_texts([caption])
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    images = torch.rand(3, 32, 48, 3, generator=torch.Generator().manual_seed(0))
    for together, image in zip(kept_encoders.encode_images(images), images, strict=True):
        torch.testing.assert_close(together, kept_encoders.encode_images(image[None])[0], rtol=1e-5, atol=1e-5)


class Calls(CountingEncoders):
    """Remembers how many captions and photos came at once; memory suffices for no more than `room` of either."""

    def __init__(self, source: Path, room: int = 1 << 30) -> None:
        super().__init__(source)
        self.at_once: list[int] = []
        self.room = room

    def _take(self, num: int) -> None:
        self.at_once.append(num)
        if num > self.room:
            raise torch.cuda.OutOfMemoryError

    def encode_texts(self, captions: Sequence[str]) -> list[torch.Tensor]:
        self._take(len(captions))
        return super().encode_texts(captions)

    def encode_images(self, images_BHWC: torch.Tensor) -> torch.Tensor:
        self._take(len(images_BHWC))
        return super().encode_images(images_BHWC)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Twenty photos of one size with twenty captions, and a large one."""
    folder = tmp_path_factory.mktemp("many")
    photos = [save_photo(folder / f"{i}.png", 64, 64, seed=i) for i in range(20)]
    photos.append(save_photo(folder / "large.png", 1100, 1100, seed=20))
    items = [CaptionedPhoto(photo=photo, caption=f"Ada, number {i}") for i, photo in enumerate(photos)]
    return Dataset(subject="Ada", photos=tuple(items))


def test_captions_and_photos_of_a_bucket_are_encoded_together_within_bounds(
    many: Dataset, pocket_dir: Path, tmp_path: Path
) -> None:
    encoders = Calls(pocket_dir)
    encoded(many, encoders, tmp_path)
    assert encoders.at_once == [16, 5, 21]


def test_no_batch_of_photos_is_larger_than_one_of_1024_px_or_mixes_buckets(kept_encoders: CountingEncoders) -> None:
    sizes = [(3000 - 90 * (i % 7), 2000 + 150 * (i % 3)) for i in range(60)]
    photos = [
        Photo(path=Path(f"{i}.png"), source_path=Path(f"{i}.png"), width_px=w, height_px=h, content_hash=str(i))
        for i, (w, h) in enumerate(sizes)
    ]
    dataset = Dataset(subject="Ada", photos=tuple(CaptionedPhoto(photo=photo, caption="Ada") for photo in photos))
    config = TrainConfig(training_resolution=512, extra_resolutions="768, 1024, 1536")
    plan, _ = plan_encoding(dataset, config, kept_encoders)
    batches = filling._batches_of_photos(plan)
    assert sorted(wanted.file for batch in batches for wanted in batch) == sorted(p.latents_file for p in plan)
    for batch in batches:
        ((width_px, height_px),) = {wanted.photo.bucket for wanted in batch}
        assert len(batch) == 1 or len(batch) * width_px * height_px <= 1024 * 1024
    assert max(map(len, batches)) == 4


def test_where_memory_does_not_suffice_fewer_are_encoded_at_once_and_that_is_told(
    many: Dataset, pocket_dir: Path, tmp_path: Path
) -> None:
    wanted = encoded(many, Calls(pocket_dir), tmp_path / "roomy")
    encoders = Calls(pocket_dir, room=5)
    plan, _ = plan_encoding(many, CONFIG, encoders)
    events = list(fill_cache(plan, encoders, tmp_path / "tight", CPU))
    told = [event.message.values for event in events if isinstance(event, Warned)]
    assert [(values["stage"], values["num"], values["fewer"]) for values in told] == [
        ("text", 16, 8), ("text", 8, 4), ("latents", 21, 10), ("latents", 10, 5),
    ]  # fmt: skip
    assert encoders.at_once == [16, 8, 4, 4, 4, 4, 4, 1, 21, 10, 5, 5, 5, 5, 1]
    found = read_encoded(plan, tmp_path / "tight", CONFIG)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.latents_CHW, other.latents_CHW, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(one.text, other.text, rtol=1e-5, atol=1e-5)


def test_memory_that_does_not_suffice_for_one_is_an_error(many: Dataset, pocket_dir: Path, tmp_path: Path) -> None:
    plan, _ = plan_encoding(many, CONFIG, Calls(pocket_dir))
    with pytest.raises(torch.cuda.OutOfMemoryError):
        list(fill_cache(plan, Calls(pocket_dir, room=0), tmp_path, CPU))


def test_an_encoder_that_cannot_take_several_is_asked_one_by_one(
    dataset: Dataset, pocket_dir: Path, tmp_path: Path
) -> None:
    class Alone(Calls):
        def encode_texts(self, captions: Sequence[str]) -> list[torch.Tensor]:
            if len(captions) > 1:
                raise OneByOne(Message("host.captions_one_by_one"))
            return super().encode_texts(captions)

    encoders = Alone(pocket_dir)
    plan, _ = plan_encoding(dataset, CONFIG, encoders)
    events = list(fill_cache(plan, encoders, tmp_path, CPU))
    assert [event.message.key for event in events if isinstance(event, Warned)] == ["host.captions_one_by_one"]
    assert encoders.at_once[:4] == [1, 1, 1, 1] and len(encoders.texts) == 4


def test_an_interrupted_encoding_is_gone_on_with_in_the_same_batches(
    many: Dataset, pocket_dir: Path, tmp_path: Path
) -> None:
    """What stands beside a photo decides on the last bits of its latents, and a resumed run has to meet the same."""
    whole = encoded(many, Calls(pocket_dir), tmp_path / "whole")
    plan, _ = plan_encoding(many, CONFIG, Calls(pocket_dir))
    filling = fill_cache(plan, Calls(pocket_dir), tmp_path / "parts", CPU)
    next(filling)
    filling.close()
    parts = encoded(many, Calls(pocket_dir), tmp_path / "parts")
    for one, other in zip(parts, whole, strict=True):
        assert torch.equal(one.latents_CHW, other.latents_CHW) and torch.equal(one.text, other.text)
