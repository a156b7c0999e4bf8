"""ConvertLoRA: the node that saves a LoRA of any program in the format that every program reads."""

from __future__ import annotations

from comfy_api.latest import io

from . import host
from .apply_lora import file_mark


class ConvertLoRA(io.ComfyNode):
    """A LoRA file as a new one in the standard format."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ConvertLoRA",
            display_name="Convert and Save LoRA",
            category="Z-Image LoRA",
            description="Saves a LoRA of Z-Image from any trainer as a new file in the format that ComfyUI, diffusers "
            "and AI Toolkit all read: their common names, bf16, alpha folded into the weights. The old file stays.",
            search_aliases=["lora converter", "kohya to comfyui", "onetrainer", "diffsynth", "peft"],
            is_output_node=True,
            inputs=[
                io.Combo.Input("lora_name", options=host.lora_names(), tooltip="The LoRA file to convert."),
                io.String.Input(
                    "save_as",
                    default="",
                    tooltip="The new file's name. Empty: the old one with _zimage behind it. A number is added where a "
                    "file of that name is there already.",
                ),
            ],
            outputs=[
                io.String.Output(
                    id="lora_name", display_name="lora_name", tooltip="The new file, as ComfyUI's LoRA lists name it."
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, lora_name, **_others) -> str:
        """A file that was written anew under its old name is converted again."""
        return file_mark(lora_name)

    @classmethod
    @host.in_users_language
    def execute(cls, lora_name, save_as) -> io.NodeOutput:
        from .core_convert import convert_and_prove

        path, messages = convert_and_prove(host.lora_path(lora_name), host.loras_dir(), save_as)
        text = "\n".join(host.say_message(message) for message in messages)
        host.Progress(cls.hidden.unique_id).write(text)
        return io.NodeOutput(host.lora_name_of(path), ui={"text": [text]})
