"""Answers of vision models: whatever is put around it, the sentence comes out clean; what is none is named as such."""

from __future__ import annotations

import random

import pytest

from trainer.captions.config import CaptionConfig
from trainer.captions.vision.answers import EMPTY, ENDLESS, REFUSED, clean_answer, first_sentence
from trainer.captions.vision.captioner import Answer
from trainer.captions.vision.sentences import Naming
from trainer.captions.vision.things import things_in

PLAIN = "A photo of the woman sitting on a bench in a red dress, evening light"
ZH = "女人穿着红裙坐在长椅上，傍晚的柔光，半身照"
SENTENCES = {
    "as asked": (PLAIN + ".", PLAIN),
    "no full stop": (PLAIN, PLAIN),
    "blank lines around": (f"\n\n  {PLAIN}.  \n", PLAIN),
    "end of turn": (f"{PLAIN}.<|im_end|>", PLAIN),
    "goes on as the user": (f"{PLAIN}.<|im_end|>\n<|im_start|>user\nAnd now?<|im_end|>", PLAIN),
    "goes on without tokens": (f"{PLAIN}.\nuser\nDescribe the next photo.", PLAIN),
    "gemma's turns": (f"<start_of_turn>model\n{PLAIN}.<end_of_turn><eos>", PLAIN),
    "llama's end": (f"{PLAIN}.</s>", PLAIN),
    "thinks first": (f"<think>\nThe user wants one sentence. I'm sorry, no.\n</think>\n\n{PLAIN}.", PLAIN),
    "thought opened by the template": (f"So, a bench. A dress.\n</think>\n\n{PLAIN}.", PLAIN),
    "empty thought": (f"<think>\n\n</think>\n\n{PLAIN}.", PLAIN),
    "sure, here is": (f"Sure! Here is a one-sentence description of the photo:\n\n{PLAIN}.", PLAIN),
    "certainly": (f"Certainly. {PLAIN}.", PLAIN),
    "here's the caption": (f"Here’s the caption you asked for: “{PLAIN}.”", PLAIN),
    "caption label": (f"**Caption:** {PLAIN}.", PLAIN),
    "in quotes": (f'"{PLAIN}."', PLAIN),
    "bold": (f"**{PLAIN}.**", PLAIN),
    "fenced": (f"```text\n{PLAIN}.\n```", PLAIN),
    "a heading first": (f"### {PLAIN}.", PLAIN),
    "several sentences": (f"{PLAIN}. She smiles. There are trees. The mood is calm.", PLAIN),
    "broken into lines": (PLAIN.replace(" on a", "\non a") + ".", PLAIN),
    "shortened words": ("A photo of the woman near St. Mark's at 5.30 p.m. in fog. It is cold.",
                        "A photo of the woman near St. Mark's at 5.30 p.m. in fog"),
    "a list": ("- Clothes: red dress\n- Pose: sitting on a bench\n- Light: evening",
               "red dress, sitting on a bench, evening"),
    "bytes that are no text": (f"{PLAIN}.\ufffd\u200b", PLAIN),
    "cut in its second sentence": (Answer(f"{PLAIN}. Behind her there is a tree and", True), PLAIN),
    "circles after the first sentence": (Answer(f"{PLAIN}. " + "The dress is red. " * 30, True), PLAIN),
    "Chinese": (f"{ZH}。", ZH),
    "Chinese, sure": (f"好的，以下是对这张照片的描述：\n“{ZH}。”", ZH),
    "Chinese, several": (f"{ZH}。背景是公园。她在微笑。", ZH),
}  # fmt: skip
USELESS = {
    "nothing": ("", EMPTY),
    "blanks": (" \n\t ", EMPTY),
    "only tokens": ("<|im_start|>assistant\n<|im_end|><|endoftext|>", EMPTY),
    "only marks": ("```\n```\n**...**", EMPTY),
    "refuses": ("I'm sorry, but I can't help with identifying people in photos.", REFUSED),
    "refuses with a curly apostrophe": ("I’m sorry, I can’t describe this person.", REFUSED),
    "unable": ("I am unable to provide a description of this image.", REFUSED),
    "as an AI": ("As an AI language model, I cannot see images.", REFUSED),
    "wants an upload": ("Please provide the image you would like me to describe.", REFUSED),
    "saw none": ("I don't see any image attached to your message.", REFUSED),
    "refuses after a thought": ("<think>Is this a real person?</think>Sorry, I can't do that.", REFUSED),
    "refuses in bold": ("**I cannot assist with that request.**", REFUSED),
    "refuses in Chinese": ("抱歉，我无法识别照片中的人物。", REFUSED),
    "unable in Chinese": ("我不能描述真实人物的外貌。", REFUSED),
    "AI in Chinese": ("作为一个人工智能助手，我看不到图片。", REFUSED),
    "never stops thinking": (Answer("<think>\nThe user wants a sentence. Let me look at the", True), ENDLESS),
    "cut in its only sentence": (Answer("A photo of the woman in a long and wide and", True), ENDLESS),
    "goes in circles": (Answer("A photo of the woman in a red dress" + " and a red dress" * 40, True), ENDLESS),
    "goes in circles to its own end": ("the the woman " * 40, ENDLESS),
    "circles in Chinese": (Answer("女人" + "穿着红色的" * 40, True), ENDLESS),
    "one letter for ever": (Answer("!" * 190, True), ENDLESS),
}


def given(answer: str | Answer) -> Answer:
    return answer if isinstance(answer, Answer) else Answer(answer)


@pytest.mark.parametrize("case", SENTENCES)
def test_a_sentence_comes_out_clean(case: str) -> None:
    answer, sentence = SENTENCES[case]
    cleaned = clean_answer(given(answer))
    assert cleaned.problem is None
    assert first_sentence(cleaned) == sentence


@pytest.mark.parametrize("case", USELESS)
def test_an_answer_that_says_nothing_is_named(case: str) -> None:
    answer, problem = USELESS[case]
    cleaned = clean_answer(given(answer))
    found = cleaned.problem or (ENDLESS if first_sentence(cleaned) is None else None)
    assert found == problem
    if problem in (EMPTY, REFUSED):
        assert cleaned.problem == problem, "features know it too"


@pytest.mark.parametrize("case", SENTENCES)
def test_cleaning_what_is_clean_changes_nothing(case: str) -> None:
    sentence = SENTENCES[case][1]
    assert first_sentence(clean_answer(Answer(sentence))) == sentence


@pytest.mark.parametrize(
    "subject, class_word, template, sentence, caption",
    [
        ("Merlina", "woman", "", PLAIN, "a photo of Merlina sitting on a bench in a red dress, evening light"),
        ("Merlina", "woman", "", "A photo of a young smiling woman on a beach", "a photo of Merlina on a beach"),
        ("Merlina", "woman", "", "A close-up photo of the woman", "a close-up photo of Merlina"),
        ("Merlina", "person", "", "The woman stands in the rain", "Merlina stands in the rain"),
        ("Merlina", "woman", "", "She stands in the rain", "Merlina stands in the rain"),
        ("Merlina", "woman", "", "The image shows a woman on a bike", "a photo of Merlina on a bike"),
        (
            "Merlina",
            "woman",
            "",
            "Red dress, sitting, soft light",
            "a photo of Merlina, red dress, sitting, soft light",
        ),
        ("Merlina", "woman", "", "A photo of Merlina, and Merlina's dog", "a photo of Merlina, and the woman's dog"),
        ("Merlina", "woman", "", "A photo of merlina in snow", "a photo of Merlina in snow"),
        ("Mer", "woman", "", "A photo of the woman, a mermaid", "a photo of Mer, a mermaid"),
        ("Ash", "cat", "", "A photo of the cat on a sofa", "a photo of Ash on a sofa"),
        (r"m\1x(", "woman", "", "The woman runs", r"m\1x( runs"),
        ("小美", "woman", "[subject]的照片", ZH, "小美穿着红裙坐在长椅上，傍晚的柔光，半身照"),
        ("小美", "人", "[subject]的照片", "一位年轻女子站在海边", "小美站在海边"),
        ("小美", "woman", "[subject]的照片", "照片中的女人在跑步", "小美在跑步"),
        ("小美", "woman", "[subject]的照片", "穿红裙，坐姿，柔光", "小美，穿红裙，坐姿，柔光"),
        ("小美", "woman", "[subject]的照片", "她站在雨中", "小美站在雨中"),
    ],
)
def test_the_subject_is_named_once(subject: str, class_word: str, template: str, sentence: str, caption: str) -> None:
    config = CaptionConfig(subject=subject, class_word=class_word, template=template or "a photo of [subject]")
    named = Naming.of(config).named(sentence)
    assert named.count(subject) == 1
    assert named == caption


@pytest.mark.parametrize(
    "said, phrases",
    [
        ("hair style: ponytail\nheadwear: none\naccessories: none\nclothes: red dress\nobjects: none\nbackground: park",
         "ponytail|red dress|park"),
        ("**Hair style:** high ponytail\n**Headwear:** black sunglasses\n**Clothes:** a white T-shirt with a logo",
         "ponytail|black sunglasses|white t-shirt"),
        ("- hair style: loose\n- objects: holding a cup of coffee", "loose hair|cup"),
        ('{"hair style": "bun", "headwear": "none", "clothes": "blue shirt"}', "bun|blue shirt"),
        ("Hair style: wavy, shoulder-length. Headwear: straw hat. Clothes: dress.", "loose hair|straw hat|dress"),
        ("Hair: brown hair pulled back\nPlace: city street at night", "hair tied back|city street"),
        ("clothes: jacket and jeans", "jacket|jeans"),
        ("sunglasses, red scarf", "sunglasses|red scarf"),
        ("hair style: hidden by hat\nheadwear: not visible\naccessories: N/A\nclothes: unknown", ""),
        ("headwear: a woman\naccessories: blue eyes\nclothes: smile", ""),
        ("none", ""),
        ("发型：马尾\n头饰：戴着墨镜\n配饰：无\n衣服：一条红色连衣裙\n物品：没有\n背景：海滩",
         "马尾|墨镜|红色连衣裙|海滩"),
        ("发型：黑色长发披肩，头饰：无，衣服：白衬衫", "披散的头发|白衬衫"),
        ("1. 发型：丸子头\n2. 物品：手里拿着一杯咖啡和书", "丸子头|咖啡|书"),
    ],
)  # fmt: skip
def test_things_come_out_of_the_lines_of_an_answer(said: str, phrases: str) -> None:
    in_chinese = any("\u4e00" <= letter <= "\u9fff" for letter in said)
    things, problem = things_in(clean_answer(Answer(said)), in_chinese=in_chinese)
    assert problem is None
    assert "|".join(thing.phrase for thing in things) == phrases


def test_words_that_the_limit_cut_in_two_are_left_out() -> None:
    things, problem = things_in(clean_answer(Answer("hair style: bun\nclothes: red dre", True)), in_chinese=False)
    assert [thing.phrase for thing in things] == ["bun"] and problem is None
    assert things_in(clean_answer(Answer("hair style bun clothes re", True)), in_chinese=False) == ((), ENDLESS)


def test_whatever_a_model_says_ends_as_one_line_with_the_subject_or_as_a_reason() -> None:
    draw = random.Random(1)
    pieces = 'hair style:|发型：|\n|, |，|<think>|</think>|<|im_end|>|**|`|```|- |1. |a woman|女人| |"|“|(|{|. |。|the |none|é|\ufffd|\0|A photo of the woman|Mila|<|Sure, |Here is|-'  # noqa: E501
    words = [*pieces.replace("<|im_end|>", "<&im_end&>").split("|"), "|"]
    for _ in range(1500):
        said = "".join(draw.choices(words, k=draw.choice((1, 4, 16, 64)))).replace("&", "|")
        cleaned = clean_answer(Answer(said, draw.random() < 0.5))
        sentence = None if cleaned.problem else first_sentence(cleaned)
        for template in ("a photo of [subject]", "[subject]的照片"):
            things_in(cleaned, in_chinese=template.endswith("片"))
            if sentence is not None:
                named = Naming.of(CaptionConfig(subject="Mila", template=template)).named(sentence)
                assert "Mila" in named and "\n" not in named and named == named.strip()
