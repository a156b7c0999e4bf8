"""Scores: what likeness is, and which checkpoint it speaks for."""

import math

import pytest
import torch

from tests.trainer.sweep_parts import make_checkpoints
from trainer.messages import sentence
from trainer.sweep.scores import Scores, likeness_among, likeness_to, recommend, score_checkpoint


def score(step, *by_seed):
    return score_checkpoint(step, by_seed, range(len(by_seed)))


@pytest.fixture
def checkpoints(tmp_path):
    return make_checkpoints(tmp_path, (100, 200, 300))


def test_the_most_alike_checkpoint_is_recommended(checkpoints):
    assert recommend([score(0, 0.1), score(100, 0.5), score(200, 0.9), score(300, 0.7)], checkpoints) == (
        200,
        "likeness",
    )


def test_ties_within_one_standard_error_go_to_the_earlier_checkpoint(checkpoints):
    early = score(100, 0.5, 0.5)
    assert recommend([early, score(200, 0.90, 0.80), score(300, 0.89, 0.83)], checkpoints)[0] == 200
    assert recommend([early, score(200, 0.88, 0.80), score(300, 0.89, 0.83)], checkpoints)[0] == 300
    assert recommend([score(100, 0.9), score(200, 0.9), score(300, 0.8)], checkpoints)[0] == 100


def test_a_hard_seed_does_not_hide_which_checkpoint_is_better(checkpoints):
    scores = [score(100, 0.4, 0.9, 0.8), score(200, 0.5, 0.99, 0.9), score(300, 0.5, 0.99, 0.9)]
    assert scores[1].standard_error > 0.1
    assert recommend(scores, checkpoints)[0] == 200


def test_the_untrained_model_is_never_recommended(checkpoints):
    assert recommend([score(0, 0.9), score(100, 0.5), score(200, 0.4)], checkpoints)[0] == 100


def test_without_likeness_the_training_decides_else_the_last_checkpoint(checkpoints):
    assert recommend([], checkpoints.choosing(200)) == (200, "training")
    assert recommend([], checkpoints) == (300, "last")


def test_among_equally_alike_checkpoints_the_trainings_own_choice_wins(checkpoints):
    equals = [score(100, 0.8, 0.9), score(200, 0.9, 0.8), score(300, 0.5, 0.5)]
    assert recommend(equals, checkpoints.choosing(200)) == (200, "both")
    assert recommend(equals, checkpoints.choosing(300)) == (100, "likeness")  # likeness comes first


def test_likeness_is_the_mean_over_cells_of_each_seed_and_then_over_seeds():
    found = score_checkpoint(100, [0.1, 0.2, 0.5, 0.6], [1, 2, 1, 2])
    assert found.likeness_by_seed == pytest.approx((0.3, 0.4))
    assert found.likeness == pytest.approx(0.35)
    assert found.standard_error == pytest.approx(0.1 / math.sqrt(2) / math.sqrt(2))


def test_one_seed_says_nothing_about_chance():
    assert score_checkpoint(100, [0.1, 0.2], [1, 1]).standard_error is None


def test_likeness_is_the_mean_cosine_to_the_references():
    pictures_ND, references_ND = torch.eye(3), torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
    assert likeness_to(pictures_ND, references_ND) == pytest.approx([0.5, 0.5, 0.0])


def test_references_are_compared_with_other_references_only():
    assert likeness_among(torch.eye(3)) == pytest.approx(0.0)
    assert likeness_among(torch.ones(4, 1)) == pytest.approx(1.0)
    assert likeness_among(torch.ones(1, 1)) is None


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("reason", ["likeness", "both", "training", "last"])
def test_scores_are_said_in_plain_sentences(language, reason):
    scores = Scores(
        scorer="faces", num_references=3, seeds=(1, 2), ceiling=0.95,
        checkpoints=(score(0, 0.09, 0.11), score(100, 0.9, 0.9)),
        recommended_step=100, reason=reason,
    )  # fmt: skip
    said = [sentence(message, language) for message in scores.messages()]
    assert len(said) == 4
    assert "0.100 ± 0.010" in said[0] and "0.900" in said[1] and "0.950" in said[2] and "100" in said[3]
