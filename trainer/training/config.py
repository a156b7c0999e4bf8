"""TrainConfig: every choice a user has in training, with the guide's names and defaults. Knows no model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ..messages import UserError
from ..settings import check_settings, setting
from .data.data_choices import read_repeats, read_resolutions
from .network.targets import ALL, check_targets

IDENTITY_FIELDS = (
    "training_adapter", "network_type", "linear_rank", "linear_alpha", "lokr_factor", "lokr_full_rank",
    "target_modules", "trigger_word", "optimizer", "weight_decay", "ema_decay", "timestep_type",
    "logit_mean", "logit_std", "noise_bias", "loss_type",
    "training_resolution", "precision", "seed",
    "caption_dropout", "preservation_class", "preservation_weight", "extra_resolutions", "horizontal_flip",
    "photo_repeats", "mask_source", "mask_min_weight", "validation",
)  # fmt: skip
"""What a run is: a run with other values of these is another run and cannot go on from this one's train state.

So is the number of photos per step; how it is made up of batches and processes may change.
"""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of one run. Raises UserError for a value out of its limits."""

    training_adapter: str = setting(
        "auto",
        "The adapter that keeps Turbo's few-step drawing intact while it learns. auto finds V2 among your LoRA files; "
        "none is for base models that need no adapter (De-Turbo, Z-Image base).",
    )
    base_kind: str = setting(
        "auto",
        "Which Z-Image the base model is. auto believes what the file says, or its name, and takes others for Turbo. "
        "Only Turbo needs the training adapter.",
        choices=("auto", "turbo", "deturbo", "base"), advanced=True,
    )  # fmt: skip
    trigger_word: str = setting(
        "", "A word that calls the person up. Not needed when the captions name the person. It replaces [trigger], "
        "or is put in front of captions that lack it.",
    )  # fmt: skip
    linear_rank: int = setting(
        64, "The LoRA's size. 64 keeps real skin texture; 16 and 32 are faster and smoother.", low=1, high=256
    )
    network_type: str = setting(
        "lora",
        "What is learned. lora is what every program loads. lokr (a Kronecker product) makes small files that change "
        "the whole weight. dora is a LoRA that also learns the length of each row: slower, and for ComfyUI only.",
        choices=("lora", "lokr", "dora"), advanced=True,
    )  # fmt: skip
    linear_alpha: int = setting(
        0, "Alpha: the LoRA is scaled by alpha / linear_rank while it learns, and the file holds the result. 0 means "
        "as linear_rank, so a scale of 1.", low=0, high=1024, advanced=True,
    )  # fmt: skip
    lokr_factor: int = setting(
        8, "For lokr: about how many pieces each side of a weight is cut into; higher makes a smaller file. 0 cuts "
        "near the square root, the smallest.", low=0, high=128, advanced=True,
    )  # fmt: skip
    lokr_full_rank: bool = setting(
        True, "For lokr: learn the second factor whole. Off, it has linear_rank and linear_alpha as a LoRA has.",
        advanced=True,
    )  # fmt: skip
    target_modules: str = setting(
        ALL, "Which layers learn: all (the 8 of every main block), attention, attention+mlp, or a regular expression "
        "looked for in names such as layers.12.attention.to_q.", advanced=True,
    )  # fmt: skip
    total_steps: int = setting(4000, "How many optimizer updates the run has.", low=1, high=100_000)
    save_every: int = setting(250, "A checkpoint is saved every so many steps.", low=1, high=100_000)
    checkpoints_to_keep: int = setting(7, "How many of the newest checkpoints stay on disk.", low=1, high=1000)
    optimizer: str = setting(
        "adam8bit",
        "adam8bit (bitsandbytes AdamW with 8-bit state) and adamw (PyTorch's, 32-bit) learn well at 1e-4 to 4e-4, "
        "adafactor, which keeps hardly any state, at the same; lion8bit at 2e-5 to 1e-4; schedule-free at 2e-4 to "
        "1e-3; prodigy finds its rate by itself and wants learning_rate 1. prodigy and schedule-free are packages of "
        "their own.",
        choices=("adam8bit", "adamw", "prodigy", "adafactor", "lion8bit", "schedule-free"),
    )
    learning_rate: float = setting(
        2e-4, "How far each update goes; what is sensible depends on the optimizer (1 for prodigy).",
        low=1e-7, high=1.0, step=1e-5,
    )  # fmt: skip
    lr_schedule: str = setting(
        "constant",
        "How the learning rate goes on after the warm-up: constant, or down to almost nothing at total_steps along a "
        "cosine or a line. Use constant with schedule-free and prodigy.",
        choices=("constant", "cosine", "linear"), advanced=True,
    )  # fmt: skip
    warmup_steps: int = setting(
        0, "Over so many first steps the learning rate climbs evenly to its full value.",
        low=0, high=10_000, advanced=True,
    )  # fmt: skip
    weight_decay: float = setting(1e-4, "How strongly weights are pulled to zero.", low=0.0, high=1.0, step=1e-5)
    ema_decay: float = setting(
        0.0, "0 is off. Above it, checkpoints, previews and validation use a moving average of the weights, which is "
        "calmer than the weights themselves; 0.99 averages over about 100 steps, 0.999 over 1000.",
        low=0.0, high=0.9999, step=1e-4, advanced=True,
    )  # fmt: skip
    timestep_type: str = setting(
        "sigmoid",
        "Which shares of noise are practised most: sigmoid the middle ones, linear all alike, "
        "weighted all alike with a weighted loss, shift the noisy ones, logit_normal as logit_mean and logit_std say.",
        choices=("sigmoid", "weighted", "linear", "shift", "logit_normal"),
    )
    logit_mean: float = setting(
        0.0, "For logit_normal: above 0 noisier shares are practised more, below 0 cleaner ones. 0 is sigmoid's.",
        low=-4.0, high=4.0, step=0.1, advanced=True,
    )  # fmt: skip
    logit_std: float = setting(
        1.0, "For logit_normal: smaller keeps closer to the middle, larger reaches further to both ends. 1 is "
        "sigmoid's.",
        low=0.1, high=4.0, step=0.1, advanced=True,
    )  # fmt: skip
    noise_bias: str = setting(
        "balanced",
        "content practises the noisy shares more, where shapes and poses are decided; style the clean ones, where "
        "texture and light are. Goes with every timestep_type.",
        choices=("balanced", "content", "style"), advanced=True,
    )  # fmt: skip
    loss_type: str = setting(
        "mse",
        "mse counts every error by its square; huber counts errors beyond 1 only in proportion, so that a watermark or "
        "a damaged patch pulls less.",
        choices=("mse", "huber"), advanced=True,
    )  # fmt: skip
    training_resolution: int = setting(
        512, "Photos are trained at about this many pixels squared.", low=64, high=2048, step=64
    )
    batch_size: int = setting(
        1, "How many photos are in memory at once; with gradient_accumulation 1, how many each step learns from.",
        low=1, high=64, advanced=True,
    )  # fmt: skip
    gradient_accumulation: int = setting(
        1, "Each step learns from the mean of so many batches, one after the other: as good as a batch that much "
        "larger, in the memory of one.", low=1, high=64, advanced=True,
    )  # fmt: skip
    precision: str = setting(
        "bf16", "The number format of the base model's weights and arithmetic. The LoRA itself is always fp32.",
        choices=("bf16", "fp32"), advanced=True,
    )  # fmt: skip
    lane: str = setting(
        "auto",
        "How training fits into memory. auto looks at what the device has free and picks the most exact way that is "
        "about as fast as any, and says so before it starts. manual takes the four choices below.",
        choices=("auto", "manual"),
    )
    low_vram: bool = setting(
        False, "For lane manual: the base model's blocks stay in system memory and visit the graphics card in turn; "
        "with quantization_transformer none, as float8.", advanced=True,
    )  # fmt: skip
    quantization_transformer: str = setting(
        "none", "For lane manual: keeps the base model in 8 bits (float8, int8) or 4 (nf4) instead of 16. Smaller, not "
        "faster, and a little less exact; int8 is the most exact of them.",
        choices=("none", "float8", "int8", "nf4"), advanced=True,
    )  # fmt: skip
    recompute_blocks: int = setting(
        -1, "For lane manual: so many of the 30 blocks are computed a second time instead of kept in memory; slower "
        "and smaller. -1 takes as many as are needed.", low=-1, high=1000, advanced=True,
    )  # fmt: skip
    offload_blocks: int = setting(
        -1, "For lane manual: so many of the 30 blocks live in system memory. -1 means all with low_vram, else none.",
        low=-1, high=1000, advanced=True,
    )  # fmt: skip
    sample_generation: bool = setting(
        False, "Draws a few pictures from every checkpoint while training; on the canvas preview_model must be "
        "connected.", advanced=True,
    )  # fmt: skip
    preview_prompts: tuple[str, ...] = setting(
        ("a photo of [subject]", "a photo of [subject], school uniform, outdoor setting"),
        "What is drawn from every checkpoint, a prompt per line. [subject] becomes the person's name.", advanced=True,
    )  # fmt: skip
    extra_resolutions: str = setting(
        "", "More resolutions beside training_resolution, for example 768, 1024. Every photo is in an epoch once at "
        "each of them.", advanced=True,
    )  # fmt: skip
    horizontal_flip: bool = setting(
        False, "Also trains on every photo mirrored. Not for faces whose two sides differ, nor for photos with "
        "writing.", advanced=True,
    )  # fmt: skip
    photo_repeats: str = setting(
        "", "Photos that come more often in an epoch: name = number, with * for any letters, parted by ; or one per "
        "line, for example close*.jpg = 3; back*.jpg = 2. Where several fit, the last one counts.", advanced=True,
    )  # fmt: skip
    caption_dropout: float = setting(
        0.0, "The share of steps that see a photo without its caption, with the trigger word alone if there is one. "
        "0.05 ties the person less to the captions' words.", low=0.0, high=1.0, step=0.01, advanced=True,
    )  # fmt: skip
    preservation_class: str = setting(
        "", "What the person is, for example person or a woman: the model is held to what it drew before for captions "
        "with this word in the name's place. Off when empty; more than doubles the time of a step.", advanced=True,
    )  # fmt: skip
    preservation_weight: float = setting(
        1.0, "How strongly preservation_class holds the model.", low=0.0, high=100.0, step=0.1, advanced=True
    )
    mask_source: str = setting(
        "none", "Which parts of a photo are learnt: all of it; what its transparency (alpha) leaves; what the masks of "
        "mask_folder show in white; the faces.", choices=("none", "alpha", "folder", "faces"), advanced=True,
    )  # fmt: skip
    mask_folder: str = setting(
        "", "The folder with the masks: for each photo a black and white picture of its name and shape.", advanced=True
    )
    mask_min_weight: float = setting(
        0.1, "How much the masked-out parts still count beside the rest. 0 ignores them.",
        low=0.0, high=1.0, step=0.05, advanced=True,
    )  # fmt: skip
    validation: str = setting(
        "auto",
        "Keeps a tenth of the photos, at least 4, out of training and recommends the checkpoint that does best on "
        "them. auto does so from 20 photos on.",
        choices=("auto", "on", "off"), advanced=True,
    )  # fmt: skip
    seed: int = setting(42, "The same seed gives the same run.", low=0, high=2**63 - 1)
    compile: str = setting(
        "off",
        "Compiles the model's blocks into fused kernels before training (torch.compile), which takes about a minute "
        "the first time. auto does so on NVIDIA cards with Triton where the run is long enough, and keeps to it only "
        "if steps are faster and give the same losses.",
        choices=("auto", "on", "off"), advanced=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_settings(self)
        check_targets(self.target_modules)
        # Written in one way, so that another blank or line makes no other run.
        extra = [px for px in read_resolutions(self.extra_resolutions) if px != self.training_resolution]
        object.__setattr__(self, "extra_resolutions", ", ".join(map(str, extra)))
        repeats = "; ".join(f"{pattern} = {number}" for pattern, number in read_repeats(self.photo_repeats))
        object.__setattr__(self, "photo_repeats", repeats)
        if self.warmup_steps >= self.total_steps:
            raise UserError("train.warmup_too_long", warmup=self.warmup_steps, total=self.total_steps)
        if self.ema_decay and self.optimizer == "schedule-free":
            raise UserError("train.averaged_twice")

    @property
    def global_batch(self) -> int:
        """How many photos each step learns from."""
        return self.batch_size * self.gradient_accumulation

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Every resolution that photos are trained at, `training_resolution` first."""
        return self.training_resolution, *read_resolutions(self.extra_resolutions)

    @property
    def identity(self) -> dict[str, object]:
        """The identity fields and their values."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name in IDENTITY_FIELDS}
