"""DatasetReport: the node that counts photos against the guide and says what to add next."""

from comfy_api.latest import io

from . import host, sockets


class DatasetReport(io.ComfyNode):
    """The guide's checklist, counted, as a picture and as text. Warns, and never stops anything."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DatasetReport",
            display_name="Dataset Report",
            category="Z-Image LoRA",
            description="Counts the photos against the guide: how many, which shots and angles, expressions, light, "
            "outfits, quality, and what to add or replace next. It warns and never stops anything.",
            search_aliases=["dataset checklist", "photo report", "shot mix", "dataset statistics"],
            is_output_node=True,
            inputs=[
                io.MultiType.Input(
                    "photos",
                    [sockets.Photos, sockets.Dataset],
                    tooltip="Photos from Load Photo Folder or from Clean and Resize Photos, or the dataset from Auto "
                    "Caption; with a dataset the captions are checked too.",
                ),
                sockets.FaceDetectionModel.Input(
                    "face_detection_model",
                    optional=True,
                    tooltip="From ComfyUI's Load Face Detection Model (MediaPipe). Used for photos in which nobody has "
                    "looked for faces yet. Without it facenet-pytorch is used where it is installed.",
                ),
            ],
            outputs=[
                io.Image.Output(id="report", display_name="report", tooltip="The report as one picture."),
                io.String.Output(id="text", display_name="text", tooltip="The same as text, complete."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    @host.in_users_language
    def execute(cls, photos, face_detection_model=None) -> io.NodeOutput:
        from ..trainer.photos.memo import Memo
        from ..trainer.photos.report.report import make_report
        from .host_faces import face_detector
        from .pictures import to_tensor

        progress = host.Progress(cls.hidden.unique_id)
        detector, memo = face_detector(face_detection_model), Memo(host.memo_dir())
        report = make_report(photos, detector, memo, progress.language, progress.show_photo_or_stop)
        progress.write(report.text.splitlines()[0])  # the picture above says the rest, and `text` all of it
        shown = host.show_picture(report.picture, "report")
        return io.NodeOutput(to_tensor(report.picture), report.text, ui={"images": [shown], "text": [report.text]})
