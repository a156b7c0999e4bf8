"""TrainConfig: every choice a user has in training, with the guide's names and defaults. Knows no model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ..settings import check_settings, setting

IDENTITY_FIELDS = (
    "training_adapter", "linear_rank", "trigger_word", "optimizer", "weight_decay", "timestep_type",
    "training_resolution", "batch_size", "precision", "seed",
)  # fmt: skip
"""What a run is: a run with other values of these is another run and cannot go on from this one's train state."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of one run. Raises UserError for a value out of its limits."""

    training_adapter: str = setting(
        "auto",
        "The adapter that keeps Turbo's few-step drawing intact while it learns. auto finds V2 among your LoRA files; "
        "none is for base models that need no adapter (De-Turbo, Z-Image base).",
    )
    trigger_word: str = setting(
        "", "A word that calls the person up. Not needed when the captions name the person. It replaces [trigger], "
        "or is put in front of captions that lack it.",
    )  # fmt: skip
    linear_rank: int = setting(
        64, "The LoRA's size. 64 keeps real skin texture; 16 and 32 are faster and smoother.", low=1, high=256
    )
    total_steps: int = setting(4000, "How many optimizer updates the run has.", low=1, high=100_000)
    save_every: int = setting(250, "A checkpoint is saved every so many steps.", low=1, high=100_000)
    checkpoints_to_keep: int = setting(7, "How many of the newest checkpoints stay on disk.", low=1, high=1000)
    optimizer: str = setting(
        "adam8bit",
        "adam8bit (bitsandbytes AdamW with 8-bit state) needs the least memory; adamw is PyTorch's, with 32-bit state.",
        choices=("adam8bit", "adamw"),
    )
    learning_rate: float = setting(2e-4, "How far each update goes.", low=1e-7, high=1.0, step=1e-5)
    weight_decay: float = setting(1e-4, "How strongly weights are pulled to zero.", low=0.0, high=1.0, step=1e-5)
    timestep_type: str = setting(
        "sigmoid",
        "Which shares of noise are practised most: sigmoid the middle ones, linear all alike, "
        "weighted all alike with a weighted loss, shift the noisy ones.",
        choices=("sigmoid", "weighted", "linear", "shift"),
    )
    training_resolution: int = setting(
        512, "Photos are trained at about this many pixels squared.", low=64, high=2048, step=64
    )
    batch_size: int = setting(1, "How many photos each step learns from.", low=1, high=64, advanced=True)
    precision: str = setting(
        "bf16", "The number format of the base model's weights and arithmetic. The LoRA itself is always fp32.",
        choices=("bf16", "fp32"), advanced=True,
    )  # fmt: skip
    seed: int = setting(42, "The same seed gives the same run.", low=0, high=2**63 - 1)

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def identity(self) -> dict[str, object]:
        """The identity fields and their values."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name in IDENTITY_FIELDS}
