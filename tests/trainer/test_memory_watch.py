"""The watch: spilling is told once when it begins, and never where steps are merely uneven."""

from trainer.memory.watch import spills


def test_a_jump_that_stays_is_told_once() -> None:
    found = spills([1.0] * 30 + [12.0] * 50)
    assert len(found) == 1
    index, times = found[0]
    assert 30 <= index <= 33 and times == 12


def test_slow_first_steps_and_single_slow_steps_are_no_spill() -> None:
    uneven = [30.0, 5.0, 2.0] + [1.0, 1.4, 0.9, 9.0, 1.1, 1.0, 9.0, 1.0] * 20
    assert spills(uneven) == []


def test_a_run_that_is_slow_from_the_start_is_its_own_measure() -> None:
    assert spills([20.0] * 100) == []


def test_wavering_round_the_threshold_is_told_once() -> None:
    assert len(spills([1.0] * 20 + [3.2, 3.2, 3.2, 2.8, 2.8, 2.8] * 20)) == 1


def test_after_going_back_to_normal_a_new_spill_is_told_again() -> None:
    assert len(spills([1.0] * 20 + [5.0] * 20 + [1.0] * 20 + [5.0] * 20)) == 2
