"""Looking: a vision model is asked about every photo, and what it says becomes features or sentences for captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

from ...messages import Message, UserError
from ...photos.memo import Memo
from ...photos.photo import Photo
from ...photos.pixels import read_thumbnail
from ...photos.threads import Progress, unheard
from ..config import FEATURES, FULL, CaptionConfig
from ..edits import photo_key
from .answers import ENDLESS, clean_answer, first_sentence
from .captioner import Answer, Captioner, ran_out_of_memory
from .questions import Question, asks_in_chinese, question_for
from .sentences import Naming
from .things import BACKGROUND, CLOTHES, HAIR, HEAD, Thing, things_in
from .unusual import FEWEST_PHOTOS, unusual_things

_VERSION = 1
"""Goes up when the same question to the same model about the same file may be answered differently."""
_PICTURE_PX = 768
"""The longest side of what a model sees: at most 576 tokens of 32 pixels, in which hairstyles, glasses and what hands
hold can be told apart on a person seen in full; at 1024 pixels reading the picture takes twice as long."""
_LEAST_PX = 32
_MOST_NAMES = 3
_MOST_QUOTED = 80
_VERBS_ZH = {HAIR: "梳着", HEAD: "戴着", CLOTHES: "穿着", BACKGROUND: "在"}
"""Chinese has a verb for each way to have something on; captions use it as it is."""


@dataclass(frozen=True, kw_only=True)
class Vision:
    """What a model has seen, by `photo_key`. A photo that is left out gets the plain template."""

    features: Mapping[str, str] = field(default_factory=dict)
    """What is unusual in a photo, commas between things; only for photos where something is."""
    sentences: Mapping[str, str] = field(default_factory=dict)
    """A caption that names the subject once."""
    warnings: tuple[Message, ...] = ()
    """Which photos have no usable answer, and why."""


def look_at_photos(
    photos: Sequence[Photo], config: CaptionConfig, captioner: Captioner, memo: Memo, progress: Progress = unheard
) -> Vision:
    """What the model says of the photos: features for `config.vision` = features, sentences for full.

    Features are what is unusual against the rest of `photos`, so give all of a set. An answer is kept in `memo` as soon
    as it is there, also a useless one (the model would give it again), and is not asked for again: a run that was
    cancelled goes on where it was. Only counting over the set is done anew. Raises UserError where a photo cannot be
    read or the model fails, and whatever `progress` or the model raise to stop the work.
    """
    if config.vision == FEATURES and 0 < len(photos) < FEWEST_PHOTOS:
        return Vision(warnings=(Message("captions.vision_few", {"count": len(photos), "needed": FEWEST_PHOTOS}),))
    answers = _ask(photos, question_for(config), captioner, memo, progress)
    problems: dict[str, list[tuple[Photo, str]]] = {}
    sentences: dict[str, str] = {}
    seen: dict[str, tuple[Thing, ...]] = {}
    naming, in_chinese = Naming.of(config), asks_in_chinese(config)
    for photo, answer in zip(photos, answers, strict=True):
        cleaned = clean_answer(answer)
        problem = cleaned.problem
        if problem is None and config.vision == FULL:
            sentence = first_sentence(cleaned)
            if sentence is None:
                problem = ENDLESS
            else:
                sentences[photo_key(photo)] = naming.named(sentence)
        elif problem is None:
            things, problem = things_in(cleaned, in_chinese=in_chinese)
            if problem is None:
                seen[photo_key(photo)] = things
        if problem is not None:
            problems.setdefault(problem, []).append((photo, answer.text))
    features = {key: _feature(things, in_chinese) for key, things in unusual_things(seen).items()}
    return Vision(features=features, sentences=sentences, warnings=_warnings(problems))


def _ask(
    photos: Sequence[Photo], question: Question, captioner: Captioner, memo: Memo, progress: Progress
) -> list[Answer]:
    """The model's answer about each photo, from the memo where it has given it before."""
    answers = []
    for index, photo in enumerate(photos):
        progress(index, len(photos), _looking_at(photo))
        key = ("vision answer", _VERSION, photo.content_hash, question.text, captioner.name, question.max_tokens)
        answer = _kept(memo.get(*key))
        if answer is None:
            picture = _shown(photo)
            try:
                answer = captioner.answer(picture, question.text, question.max_tokens)
            except UserError:
                raise
            except Exception as error:
                raise _failure(error, photo, index, len(photos)) from error
            memo.put({"text": answer.text, "is_cut": answer.is_cut}, *key)
        answers.append(answer)
    if photos:
        progress(len(photos), len(photos), _looking_at(photos[-1]))
    return answers


def _shown(photo: Photo) -> Image.Image:
    """What the model sees, RGB, never enlarged but where a side is so narrow that models make nothing of it."""
    picture = read_thumbnail(photo.path, _PICTURE_PX)
    if min(picture.size) >= _LEAST_PX:
        return picture
    return picture.resize((max(picture.width, _LEAST_PX), max(picture.height, _LEAST_PX)))


def _kept(value: object) -> Answer | None:
    """An answer from the memo; None for none and for a file that somebody has changed."""
    if isinstance(value, dict) and isinstance(value.get("text"), str) and isinstance(value.get("is_cut"), bool):
        return Answer(value["text"], value["is_cut"])
    return None


def _looking_at(photo: Photo) -> Message:
    return Message("captions.looking", {"name": photo.source_path.name})


def _failure(error: Exception, photo: Photo, num_done: int, num_photos: int) -> UserError:
    """What the user is told where the model fails: done work is kept, and what to do."""
    values = {"name": photo.source_path.name, "done": num_done, "total": num_photos}
    if ran_out_of_memory(error):
        return UserError("captions.vision_memory", **values)
    reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return UserError("captions.vision_failed", reason=reason, **values)


def _feature(things: Sequence[Thing], in_chinese: bool) -> str:
    """Things as the captions say them, commas between."""
    return ", ".join(_said(thing, in_chinese) for thing in things)


def _said(thing: Thing, in_chinese: bool) -> str:
    if in_chinese:
        return _VERBS_ZH.get(thing.kind, "") + thing.phrase
    is_bare_place = thing.kind == BACKGROUND and not thing.phrase.endswith("background")
    return f"{thing.phrase} background" if is_bare_place else thing.phrase


def _warnings(problems: Mapping[str, Sequence[tuple[Photo, str]]]) -> tuple[Message, ...]:
    """One message for each kind of useless answer, with the photos' names and the first answer's beginning."""
    messages = []
    for key, useless in problems.items():
        names = ", ".join(photo.source_path.name for photo, _ in useless[:_MOST_NAMES])
        names += "…" if len(useless) > _MOST_NAMES else ""
        said = " ".join(useless[0][1].split())[:_MOST_QUOTED]
        messages.append(Message(key, {"count": len(useless), "names": names, "said": said}))
    return tuple(messages)
