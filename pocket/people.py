"""Who is drawn: the random people that base model and figure encoder learn from, and the figures neither has seen."""

import colorsys
import random

from .backgrounds import BACKGROUNDS
from .clothes import ARMS, CLOTHES
from .figures import EXPRESSIONS, LIGHTS, Figure, Scene
from .hair import COMMON_STYLES, FRINGES, RARE_STYLES
from .pen import Colour

HAIR_COLOURS: dict[str, Colour] = {
    "black": (38, 34, 42),
    "brown": (112, 70, 42),
    "blond": (236, 200, 110),
    "red": (200, 74, 36),
    "grey": (156, 158, 166),
    "white": (238, 236, 230),
}
SKINS: dict[str, Colour] = {"light": (250, 216, 192), "tan": (216, 162, 120), "dark": (134, 86, 60)}
EYE_COLOURS: dict[str, Colour] = {
    "brown": (104, 62, 34),
    "blue": (54, 124, 206),
    "green": (50, 150, 92),
    "grey": (120, 132, 146),
}
BASE_FRINGES = {"short": "side", "long": "open", "bob": "full", "ponytail": "side", "bun": "open", "curly": "full"}
FRAMING_SHARES = {"close": 0.4, "medium": 0.35, "full": 0.25}

MILA = Figure(
    hair_name="pink",
    hair_colour=(246, 104, 172),
    hair_style="twin_buns",
    fringe="full",
    skin_name="light",
    skin=(252, 220, 200),
    eye_colour=(30, 170, 120),
    face_width=1.02,
    freckles=True,
)
UNSEEN_OTHERS = {
    "Tomo": Figure(
        hair_name="turquoise",
        hair_colour=(40, 196, 190),
        hair_style="mohawk",
        fringe="open",
        skin_name="tan",
        skin=(206, 150, 108),
        eye_colour=(104, 62, 34),
        face_width=1.06,
        beard=True,
    ),
    "Zuri": Figure(
        hair_name="violet",
        hair_colour=(122, 74, 190),
        hair_style="afro",
        fringe="open",
        skin_name="dark",
        skin=(122, 78, 54),
        eye_colour=(226, 168, 52),
        face_width=0.96,
        glasses=True,
    ),
}


def base_figure(rng: random.Random) -> Figure:
    """A person of the base model's world: six named hair colours, three skins, common styles, all of them exact."""
    hair_name, skin_name, style = rng.choice(list(HAIR_COLOURS)), rng.choice(list(SKINS)), rng.choice(COMMON_STYLES)
    return Figure(
        hair_name=hair_name,
        hair_colour=HAIR_COLOURS[hair_name],
        hair_style=style,
        fringe=BASE_FRINGES[style],
        skin_name=skin_name,
        skin=SKINS[skin_name],
        eye_colour=rng.choice(list(EYE_COLOURS.values())),
        glasses=rng.random() < 0.35,
        beard=style in ("short", "curly") and rng.random() < 0.3,
    )


def base_scene(rng: random.Random, framing: str | None = None) -> Scene:
    """A photo of the base model's world and of Mila's: steadier than random_scene, so that few steps learn it."""
    return random_scene(rng, framing, variety=0.4, num_backdrops=4)


def any_figure(rng: random.Random) -> Figure:
    """A person of the figure encoder's wider world: any hair colour and style; never close to the unseen figures."""
    while True:
        figure = Figure(
            hair_name="any",
            hair_colour=_any_hair(rng),
            hair_style=rng.choice(COMMON_STYLES + RARE_STYLES),
            fringe=rng.choice(FRINGES),
            skin_name="any",
            skin=_any_skin(rng),
            eye_colour=_hsv(rng, (0, 1), (0.3, 0.9), (0.3, 0.9)),
            face_width=rng.uniform(0.9, 1.1),
            glasses=rng.random() < 0.35,
            freckles=rng.random() < 0.3,
            beard=rng.random() < 0.2,
        )
        if not any(_too_close(figure, unseen) for unseen in (MILA, *UNSEEN_OTHERS.values())):
            return figure


def random_scene(
    rng: random.Random, framing: str | None = None, *, variety: float = 1.0, num_backdrops: int = 2**31
) -> Scene:
    """A snapshot. `variety` is how far camera and head stray from upright and centred; each background has
    `num_backdrops` looks."""
    framing = framing or rng.choices(list(FRAMING_SHARES), list(FRAMING_SHARES.values()))[0]
    return Scene(
        framing=framing,
        clothes=rng.choice(CLOTHES),
        background=rng.choice(BACKGROUNDS),
        light=rng.choice(list(LIGHTS)),
        expression=rng.choice(EXPRESSIONS),
        tilt_deg=variety * rng.uniform(-9, 9),
        turn=variety * rng.uniform(-1, 1),
        offset=(variety * rng.uniform(-0.07, 0.07), variety * rng.uniform(-0.03, 0.03) * (framing != "full")),
        zoom=1 + variety * rng.uniform(-0.12, 0.06),
        arms=(rng.choice(list(ARMS)), rng.choice(list(ARMS))),
        backdrop_seed=rng.randrange(num_backdrops),
    )


def _too_close(figure: Figure, unseen: Figure) -> bool:
    """The unseen figure's hair style with nearly its hair colour."""
    distance = max(abs(a - b) for a, b in zip(figure.hair_colour, unseen.hair_colour, strict=True))
    return figure.hair_style == unseen.hair_style and distance < 70


def _jittered(colour: Colour, rng: random.Random) -> Colour:
    factor = rng.uniform(0.93, 1.05)
    return tuple(min(255, round(channel * factor + rng.uniform(-5, 5))) if channel else 0 for channel in colour)


def _any_hair(rng: random.Random) -> Colour:
    if rng.random() < 0.3:
        return _jittered(rng.choice(list(HAIR_COLOURS.values())), rng)
    return _hsv(rng, (0, 1), (0.25, 0.95), (0.25, 1.0))


def _any_skin(rng: random.Random) -> Colour:
    share = rng.random()
    light, dark = (253, 224, 206), (104, 64, 44)
    return tuple(round(a + (b - a) * share + rng.uniform(-6, 6)) for a, b in zip(dark, light, strict=True))


def _hsv(
    rng: random.Random, hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]
) -> Colour:
    channels = colorsys.hsv_to_rgb(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))
    return tuple(round(255 * channel) for channel in channels)
