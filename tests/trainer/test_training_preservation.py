"""Preservation: the class word in captions, and the loss that keeps the model as it was where a caption says it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import CPU, CountingEncoders
from trainer.captions.dataset import Dataset
from trainer.captions.trigger import class_caption
from trainer.messages import UserError
from trainer.training.config import TrainConfig
from trainer.training.data.encode import EncodedDataset, EncodedPhoto, plan_encoding, read_encoded
from trainer.training.data.filling import fill_cache
from trainer.training.model.zimage import find_base_model, load_transformer
from trainer.training.network.lora import add_lora
from trainer.training.step import loss_parts, preservation_losses, step_losses
from trainer.training.update.flow import named_generator

CONFIG = TrainConfig(training_resolution=64, precision="fp32", linear_rank=4, training_adapter="none")


def config_with(**settings: object) -> TrainConfig:
    return dataclasses.replace(CONFIG, **settings)


def encoded(dataset: Dataset, config: TrainConfig, encoders: CountingEncoders, cache_dir: Path) -> EncodedDataset:
    plan, _ = plan_encoding(dataset, config, encoders)
    list(fill_cache(plan, encoders, cache_dir, CPU))
    return read_encoded(plan, cache_dir, config)


@pytest.mark.parametrize(
    ("caption", "subject", "trigger_word", "expected"),
    [
        ("a photo of Ada, smiling", "Ada", "", "a photo of person, smiling"),
        ("ADA's red coat, not Adam's", "Ada", "", "person's red coat, not Adam's"),
        ("a photo of [trigger]", "Ada", "ohwx", "a photo of person"),
        ("ohwx Ada at the sea", "Ada", "ohwx", "person at the sea"),
        ("at the sea", "Ada", "ohwx", "person at the sea"),
        ("Ada Lovelace writes", "Ada Lovelace", "Ada", "person writes"),
        ("a photo of [trigger]", "Ada", "", "a photo of person"),
        ("小美的照片", "小美", "", "person的照片"),
        ("at the sea", "Ada", "", None),
        ("a person at the sea", "Ada", "", None),
        ("a photo of person", "person", "", None),
        (r"\1 Ada", "Ada", "", r"\1 person"),
    ],
)
def test_the_class_word_stands_where_the_person_is_named(
    caption: str, subject: str, trigger_word: str, expected: str | None
) -> None:
    assert class_caption(caption, subject=subject, trigger_word=trigger_word, class_word="person") == expected


def test_captions_that_name_nobody_are_not_preserved_and_named_in_a_warning(
    dataset: Dataset, encoders: CountingEncoders, tmp_path: Path
) -> None:
    config = config_with(preservation_class="a woman")
    items = [dataclasses.replace(item, caption="at home") for item in dataset.photos]
    some = dataclasses.replace(dataset, photos=(items[0], *dataset.photos[1:]))
    warned = {warning.key: warning.values for warning in plan_encoding(some, config, encoders)[1]}
    assert warned["train.class_not_named"] == {"num": 1, "names": "0.png"}
    photos = encoded(some, config, encoders, tmp_path)
    assert photos[0].class_text is None and "a photo of a woman" in encoders.texts
    assert all(photo.class_text is not None for photo in photos[1:])
    with pytest.raises(UserError) as caught:
        plan_encoding(dataclasses.replace(dataset, photos=tuple(items)), config, encoders)
    assert caught.value.message.key == "train.class_never_named"


@pytest.fixture(scope="module")
def model(tiny_dir: Path) -> tuple[torch.nn.Module, dict[str, torch.nn.Parameter]]:
    transformer = load_transformer(find_base_model(tiny_dir), torch.float32, CPU)
    return transformer, add_lora(transformer, CONFIG, named_generator(0, "lora"))


def set_lora(lora: dict[str, torch.nn.Parameter], scale: float) -> None:
    """A LoRA that moves the model by so much; 0 is a new LoRA."""
    generator = named_generator(5, "moved")
    with torch.no_grad():
        for name, parameter in lora.items():
            if ".lora_B." in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)


def photos_of(*class_words: int) -> list[EncodedPhoto]:
    """Photos of one bucket with class captions of so many words; 0 for a photo without one."""
    generator = named_generator(6, "photos")
    return [
        EncodedPhoto(
            name=f"{index}.png",
            bucket=(64, 48),
            latents_CHW=torch.randn(16, 6, 8, generator=generator),
            text=torch.randn(9, 128, generator=generator),
            class_text=torch.randn(num_words, 128, generator=generator) if num_words else None,
        )
        for index, num_words in enumerate(class_words)
    ]


PRESERVING = config_with(preservation_class="person", preservation_weight=0.7)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_new_lora_has_nothing_to_preserve_and_one_that_moved_away_has(model, precision: str) -> None:  # type: ignore[no-untyped-def]
    transformer, lora = model
    config, losses = dataclasses.replace(PRESERVING, precision=precision), []
    for scale in (0.0, 0.02, 0.2):
        set_lora(lora, scale)
        losses_B = preservation_losses(transformer, photos_of(7, 0, 3), config, 4, CPU, (0, 1, 2))
        losses.append(losses_B.detach())
        gradients = torch.autograd.grad(losses_B.sum(), list(lora.values()))
        assert any(gradient.any() for gradient in gradients) == (scale > 0)
    assert losses[0].eq(0).all() and all(loss[1] == 0 for loss in losses)
    for photo in (0, 2):
        assert 0 < losses[1][photo] < losses[2][photo]


def test_preserving_leaves_the_lora_on_and_trainable(model) -> None:  # type: ignore[no-untyped-def]
    transformer, lora = model
    set_lora(lora, 0.1)
    photos, args = photos_of(5), (CONFIG, 2, CPU, (0,))
    before = step_losses(transformer, photos, *args)
    list(loss_parts(transformer, photos, PRESERVING, 2, CPU, (0,)))
    assert torch.equal(step_losses(transformer, photos, *args), before)
    assert all(parameter.requires_grad for parameter in lora.values())


def test_the_second_graph_is_not_made_before_the_first_is_gone(model) -> None:  # type: ignore[no-untyped-def]
    transformer, lora = model
    set_lora(lora, 0.1)
    calls = []
    hook = transformer.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    parts = loss_parts(transformer, photos_of(5), PRESERVING, 2, CPU, (0,))
    first = next(parts)
    assert calls == [True]
    first.sum().backward()
    next(parts)
    hook.remove()
    assert calls == [True, False, True]
    transformer.zero_grad()
    assert len(list(loss_parts(transformer, photos_of(0), PRESERVING, 2, CPU, (0,)))) == 1, "nothing to preserve"


def test_a_batch_is_the_mean_of_its_photos_also_with_masks_and_preservation(model) -> None:  # type: ignore[no-untyped-def]
    transformer, lora = model
    set_lora(lora, 0.1)
    mask_HW = torch.rand(6, 8, generator=named_generator(0, "mask"))
    photos = photos_of(7, 0, 3, 12)
    photos[1:3] = [dataclasses.replace(photo, mask_HW=mask_HW / mask_HW.mean()) for photo in photos[1:3]]

    def losses(chosen: list[EncodedPhoto], slots: tuple[int, ...]) -> torch.Tensor:
        with torch.no_grad():
            return torch.stack(list(loss_parts(transformer, chosen, PRESERVING, 3, CPU, slots))).sum(dim=0)

    alone = torch.cat([losses([photo], (slot,)) for slot, photo in enumerate(photos)])
    torch.testing.assert_close(losses(photos, (0, 1, 2, 3)), alone, rtol=1e-5, atol=1e-6)
