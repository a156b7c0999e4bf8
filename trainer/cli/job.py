"""The job file: one YAML with the guide's own keys, read into the settings of a run. Starts nothing.

Values are also taken as the guide writes them, with its remarks: `none (not needed)`, `every 250 steps`, `6-7 (...)`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..captions.config import CaptionConfig
from ..files import safe_name
from ..messages import UserError
from ..photos.cleaning.config import CleanConfig
from ..settings import Config, config_from, setting
from ..training.config import TrainConfig

_LANE_KEYS = ("low_vram", "quantization_transformer", "recompute_blocks", "offload_blocks")
"""Whoever sets one of these means lane manual."""
_FREE_TEXT = (
    "photos", "subject", "template", "run_name", "output_dir", "model", "encoders", "photo_repeats", "mask_folder",
    "feature_wording", "faceless_wording", "vision_model", "export",
)  # fmt: skip
_EMPTY_WHEN_NONE = ("trigger_word", "preservation_class", "extra_resolutions")
_NOTHING = ("", "~", "null")
_REMARK = re.compile(r"\s*[(\uff08][^()\uff08\uff09]*[)\uff09]\s*$")
_WHOLE_NUMBER = re.compile(r"(?:every|每)?\s*(?:\d+\s*[-–~]\s*)?(-?\d+)\s*(?:steps?|步)?", re.IGNORECASE)
_YES, _NO = ("true", "yes", "on"), ("false", "no", "off")


@dataclass(frozen=True, kw_only=True)
class JobFile(TrainConfig, CaptionConfig):
    """A whole run: the settings of captions and of training, and where everything is."""

    photos: str = setting("", "The folder with the photos of one person.")
    recursive: bool = setting(
        False, "Also takes the photos in subfolders; a subfolder called `with ponytail` says so in their captions."
    )
    vision_model: str = setting("", "The folder of a vision language model that looks at the photos; empty for none.")
    export: str = setting("", "A folder to export the captioned photos into; empty for none.")
    run_name: str = setting("", "What the run and its LoRA files are called; the subject's name if left out.")
    output_dir: str = setting("output", "Where everything is written.")
    model: str = setting(
        "Tongyi-MAI/Z-Image-Turbo", "The base model: a diffusers folder, a hub id, or a single .safetensors file."
    )
    encoders: str = setting(
        "", "For a single file: the diffusers folder or hub id that has text_encoder, tokenizer and vae."
    )
    quantization_text_encoder: str = setting(
        "none", "Keeps the text encoder in 8 bits while captions are encoded; it is gone before training begins.",
        choices=("none", "float8", "int8"),
    )  # fmt: skip
    face_detector: str = setting(
        "auto", "The face detector that is installed; none for drawings and other photos without faces.",
        choices=("auto", "none"),
    )  # fmt: skip
    inpaint_model: str = setting("", "A LaMa file that paints what stood behind marks.")
    face_restorer: str = setting("", "A GFPGAN or RestoreFormer file, or an upscaler, for enhance_faces.")
    clean: CleanConfig = setting(CleanConfig(), "How photos are cleaned: the settings of CleanAndResize, indented.")

    def __post_init__(self) -> None:
        TrainConfig.__post_init__(self)
        for name in ("photos", "subject"):
            if not getattr(self, name):
                raise UserError("cli.missing", name=name)
        CaptionConfig.__post_init__(self)
        if Path(self.model).suffix == ".safetensors" and not self.encoders:
            raise UserError("cli.no_encoders", model=self.model)

    @property
    def train_config(self) -> TrainConfig:
        """The training's settings alone."""
        return self._part(TrainConfig)

    @property
    def work_dir(self) -> Path:
        """Where the working copies of the photos lie."""
        return self.run_dir / "photos"

    @property
    def caption_config(self) -> CaptionConfig:
        """How photos without a caption of their own are captioned."""
        return self._part(CaptionConfig)

    @property
    def runs_dir(self) -> Path:
        """Where run folders lie: working copies, train states, the loss curve."""
        return Path(self.output_dir) / "zimage_lora"

    @property
    def run_dir(self) -> Path:
        """The folder of this run. Raises UserError for a name with a path in it."""
        return self.runs_dir / safe_name(self.run_name or self.subject)

    @property
    def loras_dir(self) -> Path:
        """Where LoRA files go, each run in a folder of its own."""
        return Path(self.output_dir) / "loras"

    @property
    def encoders_source(self) -> str:
        """The diffusers folder or hub id of text encoder and VAE."""
        return self.encoders or self.model

    def _part(self, kind: type[Config]) -> Config:
        """One of the configs that a job file is made of."""
        return kind(**{field.name: getattr(self, field.name) for field in dataclasses.fields(kind)})  # type: ignore[arg-type]


def read_job(path: Path) -> JobFile:
    """The job in a YAML file. Raises UserError for a file that is none, unknown keys, values out of their limits."""
    import yaml

    try:
        # BaseLoader makes nothing but strings, lists and mappings: 2e-4 and 007 arrive as they were typed.
        values = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=yaml.BaseLoader)
    except FileNotFoundError as error:
        raise UserError("cli.no_job", path=path) from error
    except UnicodeDecodeError as error:
        raise UserError("cli.not_utf8", path=path) from error
    except yaml.YAMLError as error:
        raise UserError("cli.bad_yaml", path=path, reason=" ".join(str(error).split())) from error
    if not isinstance(values, Mapping):
        raise UserError("cli.no_keys", path=path)
    return job_from(values)


def job_from(values: Mapping[str, object]) -> JobFile:
    """A job from keys and values as they stand in a YAML file; keys without a value keep their default."""
    defaults = {field.name: field.default for field in dataclasses.fields(JobFile)}
    read = _read_all(values, JobFile)
    if isinstance(read.get("clean"), Mapping):
        read["clean"] = config_from(CleanConfig, _read_all(read["clean"], CleanConfig))
    if "lane" not in read and any(name in read and read[name] != defaults[name] for name in _LANE_KEYS):
        read["lane"] = "manual"
    return config_from(JobFile, read)


def _read_all(values: Mapping[str, object], config: type) -> dict[str, Any]:
    """The values that are given, each as the kind its key in the config wants."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    given = {name: value for name, value in values.items() if value not in _NOTHING}
    return {name: _read(name, value, defaults[name]) if name in defaults else value for name, value in given.items()}


def _read(name: str, value: object, default: object) -> object:
    """A value typed into YAML as the kind its key wants; left as it is where it cannot be, for the checks to refuse."""
    if not isinstance(value, str) or name in _FREE_TEXT:
        return value
    text = _REMARK.sub("", value).strip()
    if isinstance(default, tuple):  # one line stands for a list of one
        return (value,)
    if isinstance(default, bool):
        return True if text.lower() in _YES else False if text.lower() in _NO else value
    if isinstance(default, int):
        number = _WHOLE_NUMBER.fullmatch(text)
        return int(number[1]) if number else value
    if isinstance(default, float):
        try:
            return float(text)
        except ValueError:
            return value
    if name == "training_adapter" and text.lower() in ("v1", "v2", "auto"):
        return "v1" if text.lower() == "v1" else "auto"
    if text.lower() == "none":
        return "" if name in _EMPTY_WHEN_NONE else "none"
    return text
