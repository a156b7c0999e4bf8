"""The promise that validation is there for: of runs that overtrain it finds the checkpoint that is truly the best."""

from __future__ import annotations

import pytest

from tests.trainer.overtrained_run import overtrain_all


@pytest.mark.slow
def test_the_recommended_checkpoint_is_within_one_interval_of_the_true_minimum_for_nine_of_ten_seeds() -> None:
    found = overtrain_all(range(30, 40), sigmas_per_picture=4, num_processes=2, tell=print)
    assert sum(outcome.is_within_one_interval for outcome in found) >= 9, "\n".join(map(str, found))
    inside = [outcome for outcome in found if outcome.true_step < max(outcome.truth)]
    assert len(inside) >= 9, "the runs have to go on beyond their minimum, else nothing was chosen"
