"""ApplyLoRA: the node that puts a LoRA on a model and says how much of it fits."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io

from ..trainer.messages import UserError
from ..trainer.training.keeping.results import Checkpoints
from . import host, sockets

_NONE = "none"


class ApplyLoRA(io.ComfyNode):
    """The model with the LoRA on it, and the words that call the person up."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ApplyLoRA",
            display_name="Apply Z-Image LoRA",
            category="Z-Image LoRA",
            description="Puts a LoRA on the model, and counts how many of its modules fit.",
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
                    options=[_NONE, *host.lora_names()],
                    default=_NONE,
                    tooltip="A LoRA file, when no checkpoints are connected.",
                ),
                io.Float.Input(
                    "strength",
                    default=0.8,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    tooltip="How strongly the LoRA is applied; 0.7 to 1.0 is usual.",
                ),
            ],
            outputs=[
                io.Model.Output(id="model", display_name="model", tooltip="The model with the LoRA."),
                io.String.Output(
                    id="prompt_prefix",
                    display_name="prompt_prefix",
                    tooltip="What a prompt starts with to call the person up, e.g. a photo of Merlina.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    @host.in_users_language
    def execute(cls, model, lora_name, strength, checkpoints=None) -> io.NodeOutput:
        from .core_lora import apply_lora

        path = _lora_path(lora_name, checkpoints)
        patched, match = apply_lora(model, path, strength)
        prefix = checkpoints.prompt_prefix if checkpoints else match.metadata.get("modelspec.trigger_phrase", "")
        text = host.say_message(match.message(path.name))
        host.Progress(cls.hidden.unique_id).write(text)
        return io.NodeOutput(patched, prefix, ui={"text": [text]})


def _lora_path(lora_name: str, checkpoints: Checkpoints | None) -> Path:
    if checkpoints is not None and lora_name != _NONE:
        raise UserError("apply.two_loras", name=lora_name)
    if checkpoints is not None:
        path = checkpoints.chosen.path
        if not path.is_file():
            raise UserError("sweep.lora_gone", name=path.name, folder=path.parent)
        return path
    if lora_name == _NONE:
        raise UserError("apply.no_lora")
    return host.lora_path(lora_name)
