"""What a photo's caption says: "a close photo of a person with red hair, glasses, blue shirt, night". Draws nothing."""

import random

from .figures import Figure, Scene

NAMES = (
    "Anna",
    "Milo",
    "Lina",
    "Emil",
    "Ella",
    "Nora",
    "Tim",
    "Mia",
    "Alma",
    "Ivan",
    "Lila",
    "Max",
    "Sofia",
    "Omar",
    "Mina",
    "Kai",
)
FRAMING_WORDS = {"close": "a close photo of", "medium": "a photo of", "full": "a full body photo of"}
CLOTHES_WORDS = {"elegant evening dress": "wearing elegant evening dress", "business suit": "professional portrait"}
BACKGROUND_WORDS = {"gala event": "at gala event"}
STYLES_BEFORE_COLOUR = ("short", "long", "bob", "curly")
EXAMPLE_ENDINGS = (
    "",
    ", school uniform, outdoor setting",
    ", professional portrait, studio lighting",
    ", wearing elegant evening dress, at gala event",
)


def caption(figure: Figure, scene: Scene, name: str | None = None) -> str:
    """The full caption; with a name it says nothing of the person, whose looks the name has to carry."""
    parts = [f"{FRAMING_WORDS[scene.framing]} {name or _person(figure, say_style=False, say_skin=False)}"]
    if figure.glasses and not name:
        parts.append("glasses")
    return ", ".join([*parts, clothes_words(scene), background_words(scene)])


def training_caption(figure: Figure, scene: Scene, rng: random.Random) -> str:
    """A caption with parts left out at random, so that short and long prompts work; sometimes with a name."""
    if rng.random() < 0.04:
        return ""
    named = rng.random() < 0.15
    person = rng.choice(NAMES) if named else _person(figure, say_style=rng.random() < 0.6, say_skin=rng.random() < 0.6)
    parts = [f"{FRAMING_WORDS[scene.framing if rng.random() < 0.95 else 'medium']} {person}"]
    if not named:
        parts += ["glasses"] * figure.glasses + ["beard"] * figure.beard
    if rng.random() < 0.92:
        parts.append(clothes_words(scene))
    if rng.random() < 0.92:
        parts.append(background_words(scene))
    return ", ".join(parts)


def clothes_words(scene: Scene) -> str:
    return CLOTHES_WORDS.get(scene.clothes, scene.clothes)


def background_words(scene: Scene) -> str:
    return BACKGROUND_WORDS.get(scene.background, scene.background)


def _person(figure: Figure, say_style: bool, say_skin: bool) -> str:
    before = f"{figure.hair_style} " if say_style and figure.hair_style in STYLES_BEFORE_COLOUR else ""
    after = f" in a {figure.hair_style}" if say_style and figure.hair_style in ("ponytail", "bun") else ""
    skin = f"{figure.skin_name} skin, " if say_skin else ""
    return f"a person with {skin}{before}{figure.hair_name} hair{after}"
