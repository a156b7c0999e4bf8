"""What the author of a published LoRA says about it."""

from __future__ import annotations

from dataclasses import dataclass

from ..settings import check_settings, setting

LICENCES = (
    "unknown", "other", "apache-2.0", "mit", "openrail", "creativeml-openrail-m", "cc0-1.0", "cc-by-4.0",
    "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0",
)  # fmt: skip
"""As model hubs name them."""


@dataclass(frozen=True, kw_only=True)
class PublishConfig:
    """The words of a published LoRA."""

    title: str = setting("", "The title, and the folder's name. Empty: the file's own title, else its name.")
    author: str = setting("", "Who made the LoRA; stays away where it is empty.")
    description: tuple[str, ...] = setting(
        ("",), "What the LoRA shows, in your own words, a line per paragraph; it opens the card."
    )
    licence: str = setting(
        "unknown", "The licence, as model hubs name it. Publish a person only with that person's consent.",
        choices=LICENCES,
    )  # fmt: skip
    prompts: tuple[str, ...] = setting(
        ("",), "The prompts of the pictures, one per line and in their order. Empty: the trigger."
    )

    def __post_init__(self) -> None:
        check_settings(self)
