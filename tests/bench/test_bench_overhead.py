"""The loop beside the passes: it costs little, and neither time nor memory grows with photos or steps."""

from __future__ import annotations

import gc
import statistics
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import torch

from bench.overhead import cpu_seconds, drift, measure, passes_timed, steps

SMALL = dict(side_px=16, rank=4, precision="fp32", optimizer="adamw")
"""One image token and one caption: a step of some milliseconds, nearly all of it Python's."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Z-Image of one narrow block with random weights, as diffusers writes one."""
    from diffusers import ZImageTransformer2DModel

    folder = tmp_path_factory.mktemp("tiny")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ZImageTransformer2DModel(
            dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=128,
            axes_dims=[8, 4, 4], axes_lens=[1536, 512, 512],
        ).save_pretrained(folder / "transformer")  # fmt: skip
    return folder


@pytest.mark.slow
def test_beside_the_passes_the_loop_takes_at_most_3_percent() -> None:
    """With the demo's rank and batch; AdamW, since bitsandbytes' 8-bit arithmetic has no fast way on a CPU."""
    found = measure(num_steps=40, rank=16, batch_size=4, precision="fp32", optimizer="adamw")
    print(found)
    assert found.share.median <= 0.03, found.share


def test_what_is_timed_as_passes_is_within_the_step(tmp_path: Path, tiny_dir: Path) -> None:
    with passes_timed() as passes_s, steps(tmp_path, num_photos=2, base=tiny_dir, **SMALL) as step:
        step()
        passes_s.clear()
        step_s = cpu_seconds(step)
        assert len(passes_s) == 2 and 0 < sum(passes_s) < step_s


def test_time_per_step_does_not_grow_with_the_number_of_photos(tmp_path: Path, tiny_dir: Path) -> None:
    """Five photos and eighty, in turns, over many steps of each."""
    with ExitStack() as runs:
        few, many = (
            runs.enter_context(steps(tmp_path / str(num), num_photos=num, base=tiny_dir, **SMALL)) for num in (5, 80)
        )
        pairs = [(cpu_seconds(few), cpu_seconds(many)) for _ in range(50)][10:]
    assert statistics.median(of_many for _, of_many in pairs) <= 1.15 * statistics.median(of_few for of_few, _ in pairs)


@pytest.mark.slow
def test_twenty_thousand_steps_take_no_more_time_or_memory_than_the_first_thousands(
    tmp_path: Path, tiny_dir: Path
) -> None:
    process = psutil.Process()
    sizes, durations_s, objects = [], [], []
    with steps(tmp_path, num_photos=12, base=tiny_dir, **SMALL) as step:
        for index in range(20_000):
            durations_s.append(cpu_seconds(step))
            if index % 2000 == 1999:
                gc.collect()
                sizes.append(process.memory_info().rss)
                objects.append(len(gc.get_objects()))
    grown = sizes[-1] - sizes[0]
    slower = drift(durations_s[2000:])
    print(f"MB {[round(size / 1e6, 1) for size in sizes]}, objects {objects}, slower by {slower:.3f}")
    assert grown < 4_000_000, sizes  # 18,000 steps: a hundred bytes a step would be 1.8 MB
    assert objects[-1] <= objects[0] + 200
    assert slower <= 1.1


def test_no_object_of_a_step_outlives_the_steps_after_it(tmp_path: Path, tiny_dir: Path) -> None:
    """The short form of the test above: what a step leaves behind shows in the number of objects at once."""
    counts = []
    with steps(tmp_path, num_photos=5, base=tiny_dir, **SMALL) as step:
        for _ in range(4):
            for _ in range(25):
                step()
            gc.collect()
            counts.append(len(gc.get_objects()))
    assert max(counts[1:]) - min(counts[1:]) < 20, counts
