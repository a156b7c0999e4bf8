"""What the tests of the trainer stand on: the pocket model, a tiny random one, a few pictures, and jobs made from them.

Nothing here depends on what the pocket model can draw: only on its shapes and on its final layer not being zero.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pocket.single_files import SingleFiles, write_single_files
from tests.trainer.known_people import Person, two_apart, two_close
from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.photos.photo import Photo
from trainer.training.config import TrainConfig
from trainer.training.keeping.runs import TrainJob
from trainer.training.loop import train
from trainer.training.model.diffusers_encoders import DiffusersEncoders
from trainer.training.model.zimage import find_base_model
from trainer.training.telling.events import Event, StepDone

CPU = torch.device("cpu")
POCKET = Path(__file__).parents[2] / "pocket" / "model"
SIZES_PX = ((64, 64), (96, 40), (80, 70), (100, 40), (64, 66))
"""At 64 px squared these lie in two buckets, 64x64 and 96x32."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """The same sums in the same order on every machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def apart() -> tuple[Person, Person]:
    return two_apart()


@pytest.fixture(scope="session")
def close() -> tuple[Person, Person]:
    return two_close()


@pytest.fixture(scope="session")
def pocket_dir() -> Path:
    """The pocket model as a diffusers folder."""
    return POCKET


@pytest.fixture(scope="session")
def pocket_files(tmp_path_factory: pytest.TempPathFactory) -> SingleFiles:
    """The pocket model as ComfyUI's three single files."""
    return write_single_files(POCKET, tmp_path_factory.mktemp("single_files"))


@pytest.fixture(scope="session")
def tiny_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Z-Image a few times faster than the pocket model, with the pocket's own text encoder and VAE."""
    from diffusers import ZImageTransformer2DModel

    folder = tmp_path_factory.mktemp("tiny_model")
    for part in ("text_encoder", "tokenizer", "vae"):
        shutil.copytree(POCKET / part, folder / part)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformer = ZImageTransformer2DModel(
            dim=32, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=128,
            axes_dims=[8, 4, 4], axes_lens=[1536, 512, 512],
        )  # fmt: skip
        for parameter in transformer.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    transformer.save_pretrained(folder / "transformer")
    return folder


def save_photo(path: Path, width_px: int, height_px: int, seed: int) -> Photo:
    """A smooth random picture as PNG, and what loading would say of it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize((width_px, height_px), Image.Resampling.BICUBIC).save(path)
    content_hash = hashlib.sha256(path.read_bytes()).hexdigest()
    return Photo(path=path, source_path=path, width_px=width_px, height_px=height_px, content_hash=content_hash)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Five photos of two buckets, with captions of different lengths, two of them equal."""
    folder = tmp_path_factory.mktemp("photos")
    captions = ["a photo of Ada"] * 2 + [f"a photo of Ada{', smiling on a beach' * num}" for num in (1, 2, 4)]
    photos = [save_photo(folder / f"{i}.png", *size, seed=i) for i, size in enumerate(SIZES_PX)]
    captioned = [CaptionedPhoto(photo=photo, caption=caption) for photo, caption in zip(photos, captions, strict=True)]
    return Dataset(subject="Ada", photos=tuple(captioned))


class CountingEncoders(DiffusersEncoders):
    """The real encoders, counting what they are asked. Releasing keeps the weights: a session loads them once."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(source, CPU)
        self.texts: list[str] = []
        self.num_images = 0
        self.num_releases = 0

    def encode_texts(self, captions: Sequence[str]) -> list[torch.Tensor]:
        self.texts += captions
        return super().encode_texts(captions)

    def encode_images(self, images_BHWC: torch.Tensor) -> torch.Tensor:
        self.num_images += len(images_BHWC)
        return super().encode_images(images_BHWC)

    def release(self) -> None:
        self.num_releases += 1

    @property
    def num_encoded(self) -> int:
        return len(self.texts) + self.num_images


@pytest.fixture(scope="session")
def kept_encoders() -> CountingEncoders:
    return CountingEncoders(POCKET)


@pytest.fixture
def encoders(kept_encoders: CountingEncoders) -> CountingEncoders:
    """The pocket's encoders, their counts at zero."""
    kept_encoders.texts, kept_encoders.num_images, kept_encoders.num_releases = [], 0, 0
    return kept_encoders


@pytest.fixture
def make_job(tmp_path: Path, dataset: Dataset, tiny_dir: Path) -> Callable[..., TrainJob]:
    """A function that makes a short run on the tiny model; settings and everything else can be given by name."""

    def make(
        *,
        base: Path = tiny_dir,
        adapter: Path | None = None,
        run_name: str = "ada",
        dataset: Dataset = dataset,
        folder: Path = tmp_path,
        **settings: Any,
    ) -> TrainJob:
        defaults = dict(
            linear_rank=4, total_steps=6, save_every=3, optimizer="adamw", precision="fp32", training_resolution=64,
            training_adapter="none", learning_rate=1e-2,
        )  # fmt: skip
        return TrainJob(
            config=TrainConfig(**{**defaults, **settings}),
            dataset=dataset,
            base=find_base_model(base),
            adapter=adapter,
            run_name=run_name,
            runs_dir=folder / "runs",
            loras_dir=folder / "loras",
        )

    return make


@pytest.fixture
def run_through(encoders: CountingEncoders) -> Callable[..., list[Event]]:
    """`run_through(job, stop_after=None)`: all events of a run, asked to stop after so many steps."""

    def run(job: TrainJob, stop_after: int | None = None) -> list[Event]:
        events: list[Event] = []

        def should_stop() -> bool:
            return any(isinstance(event, StepDone) and event.step == stop_after for event in events)

        with closing(train(job, encoders, device=CPU, should_stop=should_stop)) as going:
            for event in going:
                events.append(event)  # one by one, because should_stop looks at them
        return events

    return run


def losses_of(events: list[Event]) -> dict[int, float]:
    """The loss of each step that the events tell of."""
    return {event.step: event.loss for event in events if isinstance(event, StepDone)}
