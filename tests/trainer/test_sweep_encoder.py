"""The likeness scorer: any vision model of transformers in a folder, and nothing else."""

from pathlib import Path

import PIL.Image
import pytest
import torch

from trainer.messages import UserError
from trainer.sweep.encoder import TransformersImageEncoder

POCKET_ENCODER = Path(__file__).parents[2] / "pocket" / "encoder"
COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200))


def plain_images(size_px=(120, 90)):
    return [PIL.Image.new("RGB", size_px, colour) for colour in COLOURS]


def save_vision_model(kind: str, folder: Path) -> Path:
    """A tiny random model of a family that users have, as transformers saves it."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, Dinov2Config, Dinov2Model

    small = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "dinov2":
            model = Dinov2Model(Dinov2Config(**small))
        else:
            text = dict(vocab_size=10, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
            vision = {**small, "intermediate_size": 16}
            model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))
    model.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size=28).save_pretrained(folder)
    return folder


def test_the_pockets_figure_encoder_gives_rows_of_length_one():
    rows_ND = TransformersImageEncoder(POCKET_ENCODER).embed(plain_images())
    assert rows_ND.shape == (3, 128)
    assert torch.allclose(rows_ND.norm(dim=1), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize("kind", ["dinov2", "clip"])
def test_other_families_of_vision_models_load_too(tmp_path, kind):
    scorer = TransformersImageEncoder(save_vision_model(kind, tmp_path / kind))
    rows_ND = scorer.embed(plain_images())
    assert scorer.name == kind
    assert len(rows_ND) == 3 and torch.allclose(rows_ND.norm(dim=1), torch.ones(3), atol=1e-5)
    assert not torch.allclose(rows_ND[0], rows_ND[1])


def test_an_image_alone_has_the_embedding_it_has_in_company():
    scorer = TransformersImageEncoder(POCKET_ENCODER)
    images = plain_images()
    assert torch.allclose(scorer.embed(images)[1:2], scorer.embed(images[1:2]), atol=1e-5)


@pytest.mark.parametrize("content", [None, "{}"])
def test_a_folder_that_is_no_encoder_is_refused_by_name(tmp_path, content):
    if content:
        (tmp_path / "config.json").write_text(content)
        (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(UserError) as refused:
        TransformersImageEncoder(tmp_path)
    assert refused.value.message.key == "sweep.bad_encoder" and str(tmp_path) in str(refused.value)
