"""CheckpointSweep: the node that draws test pictures from every checkpoint and helps to choose one."""

from comfy.samplers import KSampler
from comfy_api.latest import io

from ..trainer.sweep.cells import SweepConfig
from . import host, sockets
from .pictures import to_tensor
from .widgets import widgets_of

_ADDED = {"canary", "soup_last"}
"""Graphs written for the HTTP API before there was it stay valid."""


class CheckpointSweep(io.ComfyNode):
    """Test pictures from every checkpoint, their likeness to the photos, and the checkpoint to use."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CheckpointSweep",
            display_name="Checkpoint Sweep",
            category="Z-Image LoRA",
            description="Draws the same test pictures with every checkpoint, with ComfyUI's own sampler, to find the "
            "best balance of likeness and flexibility. Pictures drawn before are not drawn again.",
            search_aliases=["compare loras", "lora grid", "xy plot", "test checkpoints"],
            is_output_node=True,
            inputs=[
                sockets.Checkpoints.Input("checkpoints", tooltip="From Train Z-Image LoRA."),
                io.Model.Input("model", lazy=True, tooltip="The model to use the LoRA with, without a LoRA on it."),
                io.Clip.Input("clip", lazy=True, tooltip="Z-Image's text encoder."),
                io.Vae.Input("vae", lazy=True, tooltip="Z-Image's VAE."),
                io.ClipVision.Input(
                    "clip_vision",
                    optional=True,
                    lazy=True,
                    tooltip="Optional: measures how much the pictures look like your photos, for the recommendation.",
                ),
                sockets.FaceDetectionModel.Input(
                    "face_detection_model",
                    optional=True,
                    tooltip="Optional: finds the face in every picture, so that likeness is that of the face. From "
                    "Load Face Detection Model (MediaPipe). Without it facenet-pytorch is used where it is installed.",
                ),
                *widgets_of(
                    SweepConfig,
                    choices={"sampler": KSampler.SAMPLERS, "scheduler": KSampler.SCHEDULERS},
                    optional=_ADDED,
                ),
                io.String.Input(
                    "choice",
                    default="recommended",
                    tooltip="Which checkpoint goes on: recommended, or the step of one, e.g. 3000. "
                    "After looking at the grid, write its step here and queue again: nothing is drawn anew.",
                ),
            ],
            outputs=[
                io.Image.Output(id="grid", display_name="grid", tooltip="All pictures side by side."),
                sockets.Checkpoints.Output(id="best", display_name="best", tooltip="The checkpoints with one chosen."),
                io.String.Output(id="scores", display_name="scores", tooltip="The likeness measured, as JSON."),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    @host.in_users_language
    def check_lazy_status(cls, checkpoints, choice, soup_last=0, **others) -> list[str]:
        """The models are loaded after the training that makes the checkpoints, and not for a choice that is no step."""
        from .sweeping import check_choice

        check_choice(choice, checkpoints, soup_last)
        return [name for name in ("model", "clip", "vae", "clip_vision") if name in others]

    @classmethod
    @host.in_users_language
    def execute(cls, checkpoints, choice, **inputs) -> io.NodeOutput:
        from .live import workflow_id
        from .sweep_views import shown
        from .sweeping import describe_scores, run_sweep, with_choice

        progress = host.Progress(cls.hidden.unique_id, workflow_id(cls.hidden))
        result = run_sweep(checkpoints, inputs, host.workflow_texts(cls.hidden), progress)
        text, scores = describe_scores(result.scores)
        num = len(result.cells)
        progress.write(host.say("host.cells", done=num, total=num))  # the viewer says the rest
        ui = shown(result, choice, text, cls.hidden.unique_id, progress)
        return io.NodeOutput(to_tensor(result.read_grid()), with_choice(result.checkpoints, choice), scores, ui=ui)
