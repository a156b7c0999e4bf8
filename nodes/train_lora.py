"""TrainZImageLoRA: the node that trains, inside ComfyUI's own process."""

from comfy_api.latest import io

from ..trainer.files import slug
from ..trainer.training.config import TrainConfig
from . import host, sockets
from .widgets import widgets_of


class TrainZImageLoRA(io.ComfyNode):
    """A LoRA from photos with captions; Cancel saves first, and queueing again goes on."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        adapters = ["auto", "none", *host.lora_names()]
        return io.Schema(
            node_id="TrainZImageLoRA",
            display_name="Train Z-Image LoRA",
            category="Z-Image LoRA",
            description="Trains a LoRA on your photos. Cancel saves first; queue again to go on from there. "
            "A finished run returns its files at once.",
            search_aliases=["train lora", "lora trainer", "fine tune", "z-image training"],
            is_output_node=True,
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="The photos with their captions, from Auto Caption."),
                io.Clip.Input("clip", lazy=True, tooltip="Z-Image's text encoder: qwen_3_4b, type lumina2."),
                io.Vae.Input("vae", lazy=True, tooltip="Z-Image's VAE: ae.safetensors, the one of Flux."),
                io.Combo.Input(
                    "model",
                    options=host.base_model_names(),
                    tooltip="The base model's file in diffusion_models, e.g. z_image_turbo_bf16.safetensors.",
                ),
                io.Model.Input(
                    "preview_model",
                    optional=True,
                    lazy=True,
                    tooltip="Optional: the model that draws the previews when sample_generation is on.",
                ),
                io.String.Input(
                    "run_name",
                    default="",
                    tooltip="What the run and its LoRA files are called; the subject if left empty.",
                ),
                *widgets_of(TrainConfig, choices={"training_adapter": adapters}),
            ],
            outputs=[
                sockets.Checkpoints.Output(id="checkpoints", display_name="checkpoints", tooltip="The LoRA files."),
                io.LoraModel.Output(id="lora", display_name="lora", tooltip="The last LoRA, for Load LoRA Model."),
                io.String.Output(id="lora_name", display_name="lora_name", tooltip="Its name for Load LoRA."),
                io.LossMap.Output(id="loss", display_name="loss", tooltip="The loss of every step."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    @host.in_users_language
    def check_lazy_status(cls, dataset, model, run_name, clip=None, vae=None, **others) -> list[str]:
        """Text encoder and VAE are only loaded for a run that has steps to make, preview_model for one that draws."""
        from .training import describe_job, finished_run

        connected = others.keys() & {"preview_model"}
        widgets = {name: value for name, value in others.items() if name not in connected}
        if finished_run(describe_job(dataset, model, run_name, widgets)):
            return []
        return ["clip", "vae", *(connected if widgets.get("sample_generation") else ())]

    @classmethod
    @host.in_users_language
    def execute(cls, dataset, model, run_name, clip=None, vae=None, preview_model=None, **widgets) -> io.NodeOutput:
        from .live import workflow_id
        from .training import describe_job, finish_or_train, read_lora

        progress = host.Progress(cls.hidden.unique_id, workflow_id(cls.hidden))
        job = describe_job(dataset, model, run_name, widgets)
        checkpoints, text = finish_or_train(job, clip, vae, preview_model, progress)
        progress.write(text)
        path, losses = checkpoints.chosen.path, list(checkpoints.losses)
        shown = {"text": [text], "zimage_lora_run": [slug(path.parent.name)]}
        return io.NodeOutput(checkpoints, read_lora(path), host.lora_name_of(path), {"loss": losses}, ui=shown)
