"""Lint: what captions should say otherwise, each with its photos and the fixes that one click applies. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ...messages import name_some
from ..config import CLASS, FEATURE, SUBJECT, CaptionConfig
from ..dataset import TEMPLATE, CaptionedPhoto, Dataset, Finding
from ..edits import CaptionEdit
from ..features import split_features
from ..wording import wording_for
from .faces import face_told_but_not_found, faceless_although_found, faceless_not_told, faceless_question
from .given import Given, fix, key_of
from .lengths import LONG_WORDS, MIN_EXCESS_WORDS, far_longer, is_wordy, num_words, usual_words
from .notation import left_over, mojibake, weights, without_left_overs, without_mojibake, without_weights
from .people import other_people, without_people
from .phrases import Shared, phrase_spans, pieces_of, repeated, what_is_shared
from .removal import without_phrase
from .words import names_subject, with_subject

MAX_TOKENS = 512
"""So many tokens Z-Image's own pipeline keeps of a prompt; ComfyUI keeps all, and a LoRA should not depend on which."""
FRAME_TOKENS = 8
"""Those of the chat frame around every caption, counted with Qwen's tokenizer."""


def lint(
    dataset: Dataset, config: CaptionConfig, count_tokens: Callable[[str], int] | None = None
) -> tuple[Finding, ...]:
    """What the user should look at, the questions first.

    `count_tokens` is the text encoder's own tokenizer without the chat frame. Without one, a caption of more UTF-8
    bytes than tokens fit is named as perhaps too long: a token of a byte-level tokenizer is one byte or more.
    """
    given = Given(dataset, config, count_tokens)
    return tuple(finding for rule in _RULES for finding in rule(given))


def _missing_subject(given: Given) -> Iterator[Finding]:
    nameless = [item for item in given.items if not names_subject(item.caption, given.subject)]
    if nameless:
        named = {
            key_of(item): with_subject(
                item.caption, given.subject, given.config.class_word, given.template_caption, given.comma
            )
            for item in nameless
        }
        edits = {key: CaptionEdit(caption=text) for key, text in named.items() if names_subject(text, given.subject)}
        values = {"subject": given.subject}
        yield given.finding("nameless", nameless, fix("captions.fix.name", edits, **values), **values)


def _wrong_words(given: Given) -> Iterator[Finding]:
    """Captions that hold words which should not be there, and the same captions without them where that can be told."""
    subject = given.subject
    rules: Sequence[tuple[str, Callable[[str], str], Callable[[str], str]]] = (
        ("people", lambda text: other_people(text, subject), without_people),
        ("placeholder", left_over, lambda text: without_left_overs(text, subject)),
        ("weights", weights, without_weights),
        ("mojibake", mojibake, without_mojibake),
    )
    for kind, find, mend in rules:
        found = [(item, words) for item in given.items if (words := find(item.caption))]
        if found:
            those = [item for item, _ in found]
            mended = {key_of(item): mend(item.caption) for item in those}
            edits = {key: CaptionEdit(caption=text) for key, text in mended.items() if text and not find(text)}
            rest = [item for item in those if key_of(item) not in edits]
            examples = name_some(list(dict.fromkeys(words for _, words in found)))
            yield given.finding(
                kind, those, fix(f"captions.fix.{kind}", edits), given.template_fix(rest, find), words=examples
            )


def _repeated_phrases(given: Given) -> Iterator[Finding]:
    shared = _shared(given)
    for phrase, places in repeated([item.caption for item in given.items], shared).items():
        those = [given.items[place] for place in places]
        plain = {text: without_phrase(text, phrase, shared) for text in {item.caption for item in those}}
        edits = {
            key_of(item): _without_feature(item, phrase, shared, given)
            or CaptionEdit(caption=plain[item.caption] or given.template_caption)
            for item in those
        }
        values = {"phrase": phrase}
        yield given.finding(
            "repeated", those, fix("captions.fix.drop_phrase", edits, **values), total=len(given.items), **values
        )


def _far_longer(given: Given) -> Iterator[Finding]:
    lengths = [num_words(item.caption) for item in given.items]
    most = num_words(given.template_caption)

    def is_long(text: str) -> bool:
        return num_words(text) > most + MIN_EXCESS_WORDS

    places = far_longer(
        lengths, most, lambda place: num_words(given.template_text(given.items[place], is_long) or "")
    )  # fmt: skip
    far = [given.items[place] for place in places]
    if far:
        yield given.finding(
            "long", far, given.template_fix(far, is_long), middle=usual_words(lengths), longest=max(lengths)
        )
    told = set(places)
    wordy = [item for place, item in enumerate(given.items) if place not in told and is_wordy(item.caption, most)]
    if wordy:
        yield given.finding(
            "wordy",
            wordy,
            given.template_fix(wordy, lambda text: is_wordy(text, most)),
            limit=LONG_WORDS,
            longest=max(num_words(item.caption) for item in wordy),
        )


def _too_many_tokens(given: Given) -> Iterator[Finding]:
    count = given.count_tokens

    def is_too_long(caption: str) -> bool:
        as_bytes = caption.encode("utf-8", "replace")
        if len(as_bytes) <= MAX_TOKENS - FRAME_TOKENS:
            return False
        return count is None or count(as_bytes.decode("utf-8")) > MAX_TOKENS - FRAME_TOKENS

    those = [item for item in given.items if is_too_long(item.caption)]
    if those:
        kind = "maybe_too_long" if count is None else "too_long"
        yield given.finding(kind, those, given.template_fix(those, is_too_long), limit=MAX_TOKENS)


_RULES: Sequence[Callable[[Given], Iterator[Finding]]] = (
    faceless_question,
    faceless_although_found,
    face_told_but_not_found,
    faceless_not_told,
    _missing_subject,
    _wrong_words,
    _repeated_phrases,
    _far_longer,
    _too_many_tokens,
)


def _shared(given: Given) -> Shared:
    """What the template and its wording put into captions."""
    texts = [given.config.template, given.config.class_word]
    for language in (given.config.template, "照片", "photo"):
        wording = wording_for(language, given.config)
        texts += [wording.feature, wording.faceless]
    for place in (SUBJECT, CLASS, FEATURE):
        texts = [text.replace(place, " ") for text in texts]
    return what_is_shared(given.subject, texts)


def _without_feature(item: CaptionedPhoto, phrase: str, shared: Shared, given: Given) -> CaptionEdit | None:
    """The edit after which a template's caption lacks the features that make a phrase; None if others make it."""
    features = split_features(item.feature)
    if item.origin != TEMPLATE or not features:
        return None
    whole = pieces_of(phrase, shared)
    kept = [
        feature
        for feature in features
        if not phrase_spans(pieces_of(feature, shared), phrase) and not phrase_spans(whole, feature)
    ]
    text = given.from_template(kept, is_faceless=item.is_faceless)
    return None if phrase_spans(pieces_of(text, shared), phrase) else CaptionEdit(feature=", ".join(kept))
