"""ApplyLoRA: the node that puts a LoRA on a model and says how much of it fits."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io

from ..trainer.lora_files.metadata import stated_words
from ..trainer.lora_files.parts import PartStrengths
from ..trainer.messages import UserError
from ..trainer.training.keeping.results import Checkpoints
from . import host, sockets
from .widgets import config_of, widgets_of

NONE = "none"
_GREY, _GREEN, _AMBER = [120, 120, 120], [60, 160, 90], [200, 130, 50]
_STRONGEST = 2.0
_MARKS = [
    {"offset": offset / _STRONGEST, "color": colour}
    for offset, colour in ((0, _GREY), (0.69, _GREY), (0.7, _GREEN), (1.0, _GREEN), (1.01, _AMBER), (2.0, _AMBER))
]
"""The slider's colours: what is usual is green, with its ends at 0.7 and 1.0."""


class ApplyLoRA(io.ComfyNode):
    """The model with the LoRA on it, and the words that call the person up."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ApplyLoRA",
            display_name="Apply Z-Image LoRA",
            category="Z-Image LoRA",
            description="Puts a LoRA on the model, and counts how many of its modules fit. Reads the LoRA files of "
            "every trainer, also those that ComfyUI's own node skips, and keeps its full effect on quantised models.",
            search_aliases=["load lora", "use lora", "lora loader"],
            inputs=[
                io.Model.Input("model", tooltip="A Z-Image model."),
                sockets.Checkpoints.Input(
                    "checkpoints",
                    optional=True,
                    tooltip="From Train Z-Image LoRA or Checkpoint Sweep: the chosen checkpoint is used. "
                    "Leave lora_name at none then.",
                ),
                io.Combo.Input(
                    "lora_name",
                    options=[NONE, *host.lora_names()],
                    default=NONE,
                    tooltip="A LoRA file, when no checkpoints are connected.",
                ),
                io.Float.Input(
                    "strength",
                    default=0.8,
                    min=0.0,
                    max=_STRONGEST,
                    step=0.05,
                    display_mode=io.NumberDisplay.gradient_slider,
                    gradient_stops=_MARKS,
                    tooltip="How strongly the LoRA is applied; 0.7 to 1.0 (green) is usual. 0 is the model alone.",
                ),
                *widgets_of(PartStrengths),
            ],
            outputs=[
                io.Model.Output(id="model", display_name="model", tooltip="The model with the LoRA."),
                io.String.Output(
                    id="prompt_prefix",
                    display_name="prompt_prefix",
                    tooltip="What a prompt starts with to call the person up, e.g. a photo of Merlina.",
                ),
                io.String.Output(
                    id="trigger",
                    display_name="trigger",
                    tooltip="The word the LoRA was trained with, e.g. Merlina; empty where its file does not say.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, lora_name=NONE, **_others) -> str:
        """A file that was written anew under its old name is read again."""
        return file_mark(lora_name)

    @classmethod
    @host.in_users_language
    def execute(cls, model, lora_name, strength, checkpoints=None, **factors) -> io.NodeOutput:
        from .core_lora import apply_lora

        path = lora_file(lora_name, checkpoints)
        patched, match = apply_lora(model, path, strength, config_of(PartStrengths, factors))
        words = stated_words(match.metadata)
        prefix = checkpoints.prompt_prefix if checkpoints else words.prompt_prefix
        trigger = (checkpoints.trigger_word or checkpoints.subject) if checkpoints else words.trigger
        text = "\n".join(host.say_message(message) for message in match.messages())
        host.Progress(cls.hidden.unique_id).write(text)
        return io.NodeOutput(patched, prefix, trigger, ui={"text": [text]})


def lora_file(lora_name: str, checkpoints: Checkpoints | None) -> Path:
    """The chosen checkpoint's file, or that of the name. Raises UserError for none, two, and one that is gone."""
    if checkpoints is not None and lora_name != NONE:
        raise UserError("apply.two_loras", name=lora_name)
    if checkpoints is not None:
        path = checkpoints.chosen.path
        if not path.is_file():
            raise UserError("sweep.lora_gone", name=path.name, folder=path.parent)
        return path
    if lora_name == NONE:
        raise UserError("apply.no_lora")
    return host.lora_path(lora_name)


def file_mark(lora_name: str) -> str:
    """What changes when the file of that name does; empty where there is none."""
    try:
        stat = host.lora_path(lora_name).stat()
        return f"{stat.st_mtime_ns} {stat.st_size}"
    except (UserError, OSError):
        return ""
