"""Scores: what is measured of each row, what is said of it, and which row that speaks for."""

import csv
import dataclasses
import io
import json
import random

import pytest

from tests.trainer.sweep_parts import make_checkpoints
from trainer.messages import LANGUAGES, Message, sentence
from trainer.sweep.scores import CellScore, RowScore, Scores, as_json, row_name, score_table
from trainer.sweep.scoring.copying import too_many
from trainer.sweep.scoring.estimate import estimate, highest_usual, paired
from trainer.sweep.scoring.recommend import Rated, recommend
from trainer.sweep.scoring.remedies import remedies

COPIES = Message("sweep.rejected_copies", {"row": "x", "num": 5, "of": 8})


def cells(likeness):
    return tuple(
        CellScore(prompt=f"prompt {index}", seed=1, name="x.png", likeness=value, is_copy=False, nearest_photo="")
        for index, value in enumerate(likeness)
    )


def rated(step, *balances, strength=0.8, validation=None, rejected=None, **more):
    row = RowScore(
        step=step, strength=strength, cells=cells(balances), likeness=estimate(balances), gain=estimate(balances),
        balance=estimate(balances), validation=estimate(validation) if validation else None, rejected=rejected, **more,
    )  # fmt: skip
    return Rated(row=row, balances=balances)


@pytest.fixture
def checkpoints(tmp_path):
    return make_checkpoints(tmp_path, (100, 200, 300))


def chosen(rows, checkpoints):
    choice = recommend(rows, checkpoints)
    return choice.step, choice.reasons[0].key


def test_the_best_balance_is_recommended_and_the_next_best_named(checkpoints):
    rows = [rated(0, 0.1, 0.1), rated(100, 0.5, 0.5), rated(200, 0.9, 0.91), rated(300, 0.7, 0.7)]
    choice = recommend(rows, checkpoints)
    assert (choice.step, choice.strength, choice.runner_up) == (200, 0.8, (300, 0.8))
    assert [message.key for message in choice.reasons] == ["sweep.best_balance", "sweep.runner_up"]


def test_a_row_that_copies_is_never_recommended_however_alike_it_is(checkpoints):
    rows = [rated(100, 0.5, 0.5), rated(200, 0.8, 0.8), rated(300, 0.99, 0.99, rejected=COPIES)]
    choice = recommend(rows, checkpoints)
    assert choice.step == 200 and choice.runner_up == (100, 0.8)


def test_where_every_row_copies_the_one_that_does_it_least_is_recommended_and_it_is_said(checkpoints):
    rows = [rated(100, 0.5, 0.5, rejected=COPIES, num_copies=3), rated(200, 0.8, 0.8, rejected=COPIES, num_copies=6)]
    choice = recommend(rows, checkpoints)
    assert choice.step == 100 and choice.reasons[-1].key == "sweep.all_rejected"


def test_what_chance_explains_is_decided_by_the_photos_kept_out_of_training_else_by_the_earlier_step(checkpoints):
    pairs = {100: (0.80, 0.90, 0.70), 200: (0.90, 0.79, 0.72), 300: (0.50, 0.50, 0.50)}
    plain = [rated(step, *values) for step, values in pairs.items()]
    assert chosen(plain, checkpoints) == (100, "sweep.best_balance_earliest")
    losses = {100: (0.5, 0.5), 200: (0.4, 0.4), 300: (0.1, 0.1)}
    judged = [rated(step, *values, validation=losses[step]) for step, values in pairs.items()]
    assert chosen(judged, checkpoints) == (200, "sweep.best_balance_and_training")  # 300 is no equal


def test_a_hard_picture_does_not_hide_which_row_is_better(checkpoints):
    rows = [rated(100, 0.2, 0.90, 0.5), rated(200, 0.3, 0.99, 0.6), rated(300, 0.1, 0.8, 0.4)]
    assert rows[1].row.balance.standard_error > 0.1
    assert chosen(rows, checkpoints) == (200, "sweep.best_balance")


def test_of_equal_strengths_the_weakest_is_recommended(checkpoints):
    rows = [rated(100, 0.8, 0.8, strength=strength) for strength in (1.0, 0.7, 0.8)]
    assert recommend(rows, checkpoints).strength == 0.7


def test_the_untrained_model_is_never_recommended(checkpoints):
    assert recommend([rated(0, 0.9, 0.9), rated(100, 0.5, 0.5)], checkpoints).step == 100


def test_without_likeness_the_training_decides_else_the_last_checkpoint(checkpoints):
    rows = [Rated(row=RowScore(step=step, strength=0.8, cells=())) for step in (0, 100, 200, 300)]
    assert chosen(rows, checkpoints.choosing(200)) == (200, "sweep.recommended_by_training")
    assert chosen(rows, checkpoints) == (300, "sweep.recommended_by_last")
    lone = [Rated(row=dataclasses.replace(one.row, rejected=COPIES)) if one.row.step == 200 else one for one in rows]
    assert chosen(lone, checkpoints.choosing(200)) == (300, "sweep.recommended_by_last")  # the gate comes first


def test_the_intervals_hold_the_truth_as_often_as_they_say():
    rng = random.Random(1)
    inside = below = 0
    for _ in range(400):
        values = [rng.gauss(0.3, 0.1) for _ in range(8)]
        found = estimate(values)
        inside += abs(found.mean - 0.3) <= found.margin
        below += rng.gauss(0.3, 0.1) < highest_usual(values, 0.95)
    assert 0.92 <= inside / 400 <= 0.98 and 0.92 <= below / 400 <= 0.98


def test_paired_differences_leave_out_what_makes_a_picture_hard():
    assert paired((0.3, 0.9, 0.6), (0.2, 0.8, 0.5)).margin == pytest.approx(0.0, abs=1e-9)
    assert estimate((0.5,)).margin is None and str(estimate((0.5,))) == "0.500"


def test_single_copies_are_forgiven_and_chance_rejects_less_than_one_row_in_twenty():
    assert not too_many(0, 8) and not too_many(1, 8) and too_many(2, 8)
    rng = random.Random(2)
    rejected = sum(too_many(sum(rng.random() < 0.02 for _ in range(8)), 8) for _ in range(2000))
    assert rejected / 2000 < 0.05


def scores_of(rows, **changes):
    values = dict(
        scorer="faces", licence=None, notes=(), num_references=4, are_held_out=True, ceiling=0.95,
        recommended_step=200, recommended_strength=0.8, runner_up=(100, 0.8),
        reasons=(Message("sweep.best_balance", {"row": row_name(200, 0.8), "balance": "0.9"}),), remedies=(),
    )  # fmt: skip
    return Scores(rows=tuple(one.row for one in rows), **{**values, **changes})


def full_rows():
    more = dict(agreement=estimate((0.8, 0.9)), variety=estimate((0.7, 0.8)), drift=estimate((0.1, 0.2)))
    return [
        rated(0, 0.1, 0.1, strength=0.0),
        rated(100, 0.5, 0.6, flexibility=0.9, **more),
        rated(200, 0.8, 0.9, flexibility=0.8, validation=(0.4, 0.5), rejected=COPIES, num_copies=5, **more),
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_scores_are_said_in_plain_sentences(language):
    said = [sentence(message, language) for message in scores_of(full_rows()).messages()]
    assert len(said) == 1 + 1 + 3 + 5 + 1
    assert not any("{" in text for text in said) and any("0.950" in text for text in said)


def test_the_json_is_plain_and_its_sentences_are_in_every_language():
    read = json.loads(json.dumps(as_json(scores_of(full_rows()))))
    assert read["rows"][1]["likeness"]["mean"] == pytest.approx(0.55)
    assert read["rows"][1]["cells"][0]["name"] == "x.png"
    assert set(read["reasons"][0]) == set(LANGUAGES)


def test_the_table_has_a_line_per_row_and_marks_the_choice():
    lines = list(csv.DictReader(io.StringIO(score_table(scores_of(full_rows())))))
    assert [(line["step"], line["strength"]) for line in lines] == [("0", "0"), ("100", "0.8"), ("200", "0.8")]
    assert [line["choice"] for line in lines] == ["", "runner-up", "recommended"]
    assert lines[2]["rejected"] == "yes" and lines[2]["copies"] == "5" and lines[0]["validation"] == ""
    assert float(lines[1]["likeness_margin"]) > 0


def advised(rows, index=-1, spread=0.01, reach=0.95, **shots):
    found = [one.row for one in rows]
    said = remedies(found, found[index], reference_spread=spread, reach=reach, shots=shots)
    return [message.key.removeprefix("sweep.remedy_") for message in said]


def test_a_remedy_is_said_where_its_symptom_was_measured_and_only_there():
    untrained = rated(0, 0.1, 0.1, 0.1, strength=0.0, grain=1.0)
    flat = [untrained, rated(100, 0.9, 0.91, 0.9, grain=1.0), rated(200, 0.91, 0.9, 0.9, grain=1.0)]
    assert advised(flat) == []
    assert advised([untrained, rated(100, 0.5, 0.51, 0.5), rated(200, 0.8, 0.81, 0.81)]) == ["train_longer"]
    assert advised([*flat, rated(300, 0.9, 0.9, 0.9, rejected=COPIES)], index=2) == ["overfitted"]
    assert advised([*flat, rated(300, 0.5, 0.5, 0.5)], index=2) == ["overfitted"]
    assert advised(flat, reach=0.5, **{"close-up": 1, "medium": 9}) == ["close_ups"]
    assert advised(flat, reach=0.5, **{"close-up": 5, "medium": 5}) == []
    assert advised([untrained, rated(100, 0.9, 0.5, 0.7)]) == ["angles"]
    assert advised([untrained, rated(100, 0.9, 0.9, 0.9, grain=6.0)]) == ["grain"]
    much = estimate((0.9, 0.92, 0.91))
    little = estimate((0.1, 0.12, 0.11))
    assert advised([untrained, rated(100, 0.9, 0.9, 0.9, drift=much)]) == ["drift"]
    assert advised([untrained, rated(100, 0.9, 0.9, 0.9, agreement=little, variety=little)]) == ["prompts", "variety"]
    uncertain = estimate((0.1, 0.9, 0.4))
    assert advised([untrained, rated(100, 0.9, 0.9, 0.9, drift=uncertain, variety=uncertain)]) == []
