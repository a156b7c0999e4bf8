"""TransformersCaptioner: a vision language model in a local folder, run by transformers. Downloads nothing."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...messages import UserError
from ...training.model.weights import fingerprint
from .captioner import Answer, ran_out_of_memory

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_DECIDING = (".safetensors", ".json", ".jinja", ".txt")
"""The files that an answer depends on."""


def transformers_captioner(
    folder: Path, device: torch.device, dtype: torch.dtype | None = None
) -> TransformersCaptioner:
    """The model in a folder, as transformers saves it. `dtype` is that of the weights' files where it is None.

    Its settings and its processor are read at once, its weights with the first question. Raises UserError for a folder
    that holds no vision language model, and for one that misses its weights, its processor or its chat template.
    """
    if not (folder / "config.json").is_file():
        raise UserError("captions.vision_no_folder", folder=folder)
    _check_is_vision_model(folder)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise UserError("captions.vision_no_weights", folder=folder)
    deciding = sorted(path for path in folder.iterdir() if path.suffix in _DECIDING)
    name = f"transformers {folder.name} {fingerprint(deciding)} {dtype}"
    return TransformersCaptioner(name, folder, _processor(folder), device, dtype)


class TransformersCaptioner:
    """Answers with the likeliest token each time."""

    def __init__(
        self, name: str, folder: Path, processor: Any, device: torch.device, dtype: torch.dtype | None
    ) -> None:
        self.name = name
        self._folder = folder
        self._processor = processor
        self._device = device
        self._dtype = dtype

    def answer(self, picture: Image, question: str, max_tokens: int) -> Answer:
        """What the model says. Raises UserError where its weights cannot be loaded."""
        import torch

        content = [{"type": "image", "image": picture}, {"type": "text", "text": question}]
        aloud = {"enable_thinking": False} if "enable_thinking" in str(self._processor.chat_template) else {}
        asked = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False, **aloud
        )
        inputs = self._processor(text=[asked], images=[picture], return_tensors="pt")
        model = self._model
        with torch.inference_mode():
            ids_BN = model.generate(
                **inputs.to(self._device, model.dtype), max_new_tokens=max_tokens, do_sample=False, num_beams=1,
                temperature=None, top_p=None, top_k=None, repetition_penalty=1.0,
            )  # fmt: skip
        said = ids_BN[0, inputs["input_ids"].shape[1] :].tolist()
        ends = model.generation_config.eos_token_id
        ended = bool(said) and said[-1] in (ends if isinstance(ends, list) else [ends])
        text = self._processor.decode(said, skip_special_tokens=True)
        return Answer(text, is_cut=len(said) >= max_tokens and not ended)

    @cached_property
    def _model(self) -> Any:
        """The model on its device. Weights that are missing in the files would be random numbers: they are refused."""
        from transformers import AutoModelForImageTextToText

        try:
            model, report = AutoModelForImageTextToText.from_pretrained(
                self._folder, local_files_only=True, trust_remote_code=False, use_safetensors=True,
                dtype=self._dtype or "auto", output_loading_info=True,
            )  # fmt: skip
            missing = sorted(report["missing_keys"])
            if missing:
                raise UserError("captions.vision_weights_missing", folder=self._folder, count=len(missing),
                                names=", ".join(missing[:3]))  # fmt: skip
            return model.to(self._device).eval()
        except UserError:
            raise
        except Exception as error:
            if ran_out_of_memory(error):
                raise UserError("captions.vision_too_large", folder=self._folder) from error
            raise UserError("captions.vision_unreadable", folder=self._folder, reason=_first_sentence(error)) from error


def _check_is_vision_model(folder: Path) -> None:
    from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise UserError("captions.vision_unreadable", folder=folder, reason=_first_sentence(error)) from error
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise UserError("captions.vision_not_vision", folder=folder, kind=config.model_type)


def _processor(folder: Path) -> Any:
    """What makes tokens of a question and a picture."""
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        key = "captions.vision_needs_package" if isinstance(error, ImportError) else "captions.vision_no_processor"
        raise UserError(key, folder=folder, reason=_first_sentence(error)) from error
    if not hasattr(processor, "image_processor"):
        raise UserError("captions.vision_no_processor", folder=folder, reason=type(processor).__name__)
    if processor.chat_template is None:
        raise UserError("captions.vision_no_chat_template", folder=folder)
    return processor


def _first_sentence(error: Exception) -> str:
    lines = (line.strip() for line in str(error).splitlines())
    line = next((line for line in lines if line), type(error).__name__)
    return line.partition(". ")[0].rstrip(".") + "."
