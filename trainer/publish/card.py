"""The card: README.md as model hubs read it, a YAML head and Markdown. Writes text only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..messages import Message, sentence
from ..photos.report.words import kind_word
from .config import PublishConfig
from .facts import Facts

_BASES = {True: "Tongyi-MAI/Z-Image-Turbo", False: "Tongyi-MAI/Z-Image"}
_USUAL_STRENGTH = 0.8


@dataclass(frozen=True, kw_only=True)
class CardFiles:
    """The files beside the card, by name."""

    lora: str
    images: tuple[tuple[str, str], ...] = ()
    """Pictures and their prompts; the first is the cover."""
    grid: str | None = None


def write_card(config: PublishConfig, title: str, facts: Facts, files: CardFiles, language: str) -> str:
    """README.md of a LoRA."""
    parts = [
        _head(config, title, facts, files),
        f"# {_plain(title)}",
        *([f"![{_plain(title)}]({files.images[0][0]})"] if files.images else []),
        *[line.strip() for line in config.description if line.strip()],
        *_use(facts, files, language),
        *_pictures(files, language),
        *_training(facts, language),
        *_scores(facts, files, language),
        _say("publish.card_made_with", language),
    ]
    return "\n\n".join(parts) + "\n"


def _head(config: PublishConfig, title: str, facts: Facts, files: CardFiles) -> str:
    import yaml

    family = "z-image-turbo" if facts.is_turbo else "z-image"
    head: dict[str, object] = {
        "base_model": _BASES[facts.is_turbo],
        "base_model_relation": "adapter",
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "license": config.licence,
        "tags": list(
            dict.fromkeys(["text-to-image", "diffusers", "lora", "z-image", family, "template:diffusion-lora"])
        ),
    }
    if facts.words.prompt_prefix:
        head["instance_prompt"] = facts.words.prompt_prefix
    if files.images:
        head["widget"] = [{"text": prompt or "-", "output": {"url": name}} for name, prompt in files.images]
    text = yaml.safe_dump(head, allow_unicode=True, sort_keys=False, width=1000)
    return f"---\n{text}---"


def _use(facts: Facts, files: CardFiles, language: str) -> list[str]:
    prompt = f"{facts.words.prompt_prefix or '...'}, professional portrait, studio lighting"
    code = "\n".join([
        "```python", "import torch", "from diffusers import ZImagePipeline", "",
        f'pipe = ZImagePipeline.from_pretrained("{_BASES[facts.is_turbo]}", torch_dtype=torch.bfloat16).to("cuda")',
        f'pipe.load_lora_weights(".", weight_name={files.lora!r}, adapter_name="lora")',
        f'pipe.set_adapters("lora", {_USUAL_STRENGTH})',
        f"image = pipe({prompt!r}, num_inference_steps=9, guidance_scale=0.0).images[0]", "```",
    ])  # fmt: skip
    said = [f"## {_say('publish.card_use', language)}"]
    if facts.words.prompt_prefix:
        said.append(_say("publish.card_trigger", language, prefix=_plain(facts.words.prompt_prefix)))
    said.append(_say("publish.card_comfyui", language, name=files.lora))
    return [*said, code]


def _pictures(files: CardFiles, language: str) -> list[str]:
    if len(files.images) < 2:
        return []
    rows = [f"![{index}]({name})  \n{_plain(prompt)}" for index, (name, prompt) in enumerate(files.images[1:], 2)]
    return [f"## {_say('publish.card_pictures', language)}", *rows]


def _training(facts: Facts, language: str) -> list[str]:
    rows = [(_say(f"publish.card_{name}", language), str(num)) for name, num in facts.dataset]
    rows += [(sentence(kind_word(shot), language), str(num)) for shot, num in facts.shots]
    if facts.step is not None:
        rows.append((_say("publish.card_step", language), str(facts.step)))
    if facts.loss is not None:
        rows.append((_say("publish.card_loss", language), f"{facts.loss:.4f}"))
    rows += [(f"`{name}`", _plain(value)) for name, value in facts.settings]
    if not rows:
        return []
    said = [f"## {_say('publish.card_training', language)}"]
    said.append(_table((_say("publish.card_what", language), _say("publish.card_value", language)), rows))
    if facts.validation:
        losses = [(str(step), f"{loss:.4f}") for step, loss in facts.validation]
        header = (_say("publish.card_step", language), _say("publish.card_validation", language))
        said.append(_table(header, losses))
    return said


def _scores(facts: Facts, files: CardFiles, language: str) -> list[str]:
    if not facts.scores and not files.grid:
        return []
    said = [f"## {_say('publish.card_scores', language)}"]
    if facts.scores:
        fullest_first = sorted(facts.scores, key=len, reverse=True)
        names = list(dict.fromkeys(name for row in fullest_first for name in row))
        said.append(_table(names, [[row.get(name, "") for name in names] for row in facts.scores]))
    if files.grid:
        said.append(f"![grid]({files.grid})")
    return said


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _plain(text: str) -> str:
    """Text on one line that Markdown and HTML leave as it is."""
    return " ".join(text.split()).replace("<", "&lt;")


def _say(key: str, language: str, **values: object) -> str:
    return sentence(Message(key, values), language)
