"""Decoding: Chinese is read in its usual encodings, and what is written in others never becomes Chinese."""

from __future__ import annotations

import pytest

from trainer.captions.sources.decoding import decode_text, is_binary

CHINESE = (
    "小美的照片", "小美的照片,扎马尾", "婷婷", "微笑", "戴眼镜", "马尾", "a photo of 小美", "[subject]的照片，戴着耳机",
    "一张小美戴着墨镜的照片", "李婷婷在海边微笑，穿着红色连衣裙", "特写，小美看着镜头，微笑", "周杰伦在舞台上弹钢琴",
    "穿汉服的女子手持团扇，站在古建筑前", "小芳坐在咖啡馆里看书，“慵懒”的午后……", "夕阳下奔跑的背影",
    "陳美麗的照片，紅色裙子", "俯拍，赵敏躺在草地上，闭着眼睛",
    "merlina 的照片, 扎着双马尾", "黑色高领毛衣，珍珠耳环", "小美抱着一只橘猫，坐在窗台上",
    "地铁里的自拍，戴着口罩和鸭舌帽", "欧阳娜娜拉大提琴", "雨中撑伞的王芳，侧脸", "健身房里穿运动背心的小美",
)  # fmt: skip
OTHERS = {
    "cp1252": (
        "café", "Zoë at the café", "une photo de Chloé à la plage", "Chloé", "Foto von Jürgen mit Brille", "für", "ÀÉÈ",
        "“a photo of Mila” – smiling", "Fräulein Müller mit großen Öhrchen", "foto de la niña pequeña", "naïve façade",
        "São Paulo, coração", "Mila’s photo", "grünäugig", "Ödön", "François", "señorita", "©", "½ body", "Ångström",
    ),
    "shift_jis": (
        "ミラの写真", "美咲の写真、笑顔", "眼鏡をかけた美咲", "美咲", "東京タワーの前に立つ女性", "写真", "ﾐﾗの写真",
    ),
    "euc_jp": ("美咲の写真、笑顔", "美咲", "東京", "写真", "眼鏡をかけた美咲", "海辺で笑う女性"),
    "cp949": ("민지의 사진", "민지", "안경을 쓴 민지", "해변에서 웃고 있는 민지의 사진", "사진", "빨간 드레스"),
    "big5": ("小美的照片", "美麗的女孩戴著眼鏡", "小美", "陳美麗在海邊微笑", "照片", "穿著白色洋裝站在窗邊"),
    "cp1251": ("фото Милы", "Мила", "Мила в очках на пляже", "фотография Милы с хвостом"),
    "koi8-r": ("фото Милы в очках", "Мила"),
    "cp1253": ("φωτογραφία της Μίλας",),
    "cp1255": ("תמונה של מילה",),
    "cp874": ("ภาพถ่ายของมิลา",),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
@pytest.mark.parametrize("text", CHINESE)
def test_chinese_is_read_as_it_was_written(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding)) == text


@pytest.mark.parametrize(("text", "encoding"), [(text, name) for name, texts in OTHERS.items() for text in texts])
def test_other_encodings_are_never_taken_for_chinese(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    assert decode_text(data) is None and not is_binary(data)


@pytest.mark.parametrize(
    "text", ["", "a photo of Mila", "Zoë, ½ body — “smiling” 😀", "写真のミラ", "фото Милы", "민지", "a\tb\r\nc\fd"]
)
def test_utf8_is_believed_whatever_it_says(text: str) -> None:
    assert decode_text(text.encode()) == text


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"PK\3\4\x14\0",
        b"\0\1\2",
        "a".encode("utf-16-le"),
    ],
    ids=["png", "jpeg", "zip", "bytes", "utf-16 without mark"],
)
def test_bytes_that_are_no_text_are_called_so(data: bytes) -> None:
    assert decode_text(data) is None and is_binary(data)


@pytest.mark.parametrize(
    "data", [b"\xff\xfea", b"\xfe\xff\xd8\x00", "小".encode()[:2]], ids=["odd", "half a pair", "cut"]
)
def test_text_that_is_cut_off_is_no_text(data: bytes) -> None:
    assert decode_text(data) is None
