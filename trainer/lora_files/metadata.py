"""Metadata: the words that call a LoRA's person up, as its file states them. Guesses nothing that is not stated.

Read, in this order: our own keys; the Stability model specification's trigger phrase; the class tokens of kohya's
datasets; a tag that every caption of kohya's datasets has in common.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_COMMON_TAGS = {"1girl", "1boy", "solo", "woman", "man", "girl", "boy", "person", "photo", "portrait", "realistic"}
"""Tags that describe many pictures and call nobody up."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """How a prompt calls a LoRA up; both empty where its file does not say."""

    trigger: str = ""
    """The word or phrase it was trained with, e.g. `Merlina`."""
    prompt_prefix: str = ""
    """What a prompt starts with, e.g. `a photo of Merlina`."""


def stated_words(metadata: Mapping[str, str]) -> Words:
    """The words that a LoRA file's metadata states."""
    phrase = metadata.get("modelspec.trigger_phrase", "").strip()
    if subject := metadata.get("zimage_lora.subject", "").strip():
        config = _parsed(metadata.get("zimage_lora.config", ""))
        trigger_word = str(config.get("trigger_word") or "") if isinstance(config, dict) else ""
        return Words(trigger=trigger_word or subject, prompt_prefix=prompt_prefix(subject, trigger_word))
    trigger = phrase or _from_class_tokens(metadata) or _from_tags(metadata)
    return Words(trigger=trigger, prompt_prefix=trigger)


def prompt_prefix(subject: str, trigger_word: str) -> str:
    """`a photo of Merlina`, with the trigger word before it where the subject does not hold it already."""
    words = f"a photo of {subject}"
    return f"{trigger_word} {words}" if trigger_word and trigger_word not in words else words


def _from_class_tokens(metadata: Mapping[str, str]) -> str:
    """kohya's datasets may have words for all their pictures; used where all datasets agree."""
    stated = {
        str(subset["class_tokens"]).strip()
        for dataset in _dicts(_parsed(metadata.get("ss_datasets", "")))
        for subset in _dicts(dataset.get("subsets"))
        if subset.get("class_tokens") and not subset.get("is_reg")
    }
    return stated.pop() if len(stated) == 1 else ""


def _from_tags(metadata: Mapping[str, str]) -> str:
    """The only tag that is as frequent as there are captions, in all datasets together."""
    folders = _parsed(metadata.get("ss_tag_frequency", ""))
    counts: Counter[str] = Counter()
    for tags in folders.values() if isinstance(folders, dict) else ():
        for tag, num in (tags if isinstance(tags, dict) else {}).items():
            counts[str(tag).strip()] += num if isinstance(num, int) else 0
    num_photos = _num_photos(metadata)
    always = [tag for tag, num in counts.items() if num == num_photos and tag.lower() not in _COMMON_TAGS]
    return always[0] if len(always) == 1 and num_photos > 1 else ""


def _num_photos(metadata: Mapping[str, str]) -> int:
    folders = _parsed(metadata.get("ss_dataset_dirs", ""))
    found = [folder.get("img_count") for folder in _dicts(list(folders.values()) if isinstance(folders, dict) else [])]
    return sum(num for num in found if isinstance(num, int))


def _dicts(values: Any) -> Iterator[dict[str, Any]]:
    return (value for value in (values if isinstance(values, list) else ()) if isinstance(value, dict))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
