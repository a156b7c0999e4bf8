"""The encoders' memory: gone before the transformer comes, and small while captions are encoded if so asked."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.conftest import CPU
from trainer.memory.fitting import fit_text_encoder
from trainer.memory.offload import Offloader
from trainer.memory.quantised import QuantisedLinear
from trainer.training import loop
from trainer.training.loop import train
from trainer.training.model.diffusers_encoders import DiffusersEncoders
from trainer.training.telling.events import Preparing


def test_text_encoder_and_vae_are_gone_when_the_transformer_is_loaded(
    make_job: Callable[..., Any], pocket_dir: Path
) -> None:
    encoders = DiffusersEncoders(pocket_dir, CPU)
    encoders.encode_texts(["a photo of Ada"])[0]
    encoders.encode_images(torch.zeros(1, 64, 64, 3))
    models = [weakref.ref(encoders._text_encoder[1]), weakref.ref(encoders._vae)]
    assert all(model() is not None for model in models)
    job = make_job(total_steps=1, save_every=1)
    with closing(train(job, encoders, device=CPU, should_stop=lambda: False)) as events:  # type: ignore[type-var]
        for event in events:
            if isinstance(event, Preparing) and event.stage == "model":
                break
        gc.collect()
        assert [model() for model in models] == [None, None]


def test_a_quantised_text_encoder_is_near_the_whole_one_and_another_identity(pocket_dir: Path) -> None:
    whole, packed = DiffusersEncoders(pocket_dir, CPU), DiffusersEncoders(pocket_dir, CPU, quantisation="int8")
    wanted, found = (encoders.encode_texts(["a photo of Ada on a beach"])[0] for encoders in (whole, packed))
    assert 0 < (found - wanted).norm() <= 0.05 * wanted.norm()
    assert packed.text_identity != whole.text_identity and packed.image_identity == whole.image_identity
    linears = [module for module in packed._text_encoder[1].modules() if isinstance(module, QuantisedLinear)]
    assert linears


def test_an_offloaded_text_encoder_gives_the_same_numbers(pocket_dir: Path) -> None:
    """What a GPU without room for it does, done here with plain copies."""
    encoders = DiffusersEncoders(pocket_dir, CPU)
    wanted = encoders.encode_texts(["a photo of Ada"])[0]
    model = fit_text_encoder(encoders._text_encoder[1], "none", CPU)
    offloader = Offloader(dict(enumerate(model.layers)), CPU)
    assert torch.equal(encoders.encode_texts(["a photo of Ada"])[0], wanted)
    assert offloader.num_copies >= len(model.layers)


def test_nothing_of_the_model_is_in_memory_once_a_run_is_over(
    make_job: Callable[..., Any], encoders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever called draws next, on the same card, and does not wait for Python to look for cycles."""
    kept: list[weakref.ref[Any]] = []
    load = loop.open_session

    def watched(*arguments: Any, **named: Any) -> Any:
        session = load(*arguments, **named)
        kept.extend(weakref.ref(parameter) for parameter in session.transformer.parameters())
        return session

    monkeypatch.setattr(loop, "open_session", watched)
    gc.disable()
    try:
        list(train(make_job(total_steps=1, save_every=1), encoders, device=CPU, should_stop=lambda: False))
        assert kept and not any(parameter() is not None for parameter in kept)
    finally:
        gc.enable()
