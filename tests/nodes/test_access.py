"""Who may read which folder: any on loopback; beyond it only what lies in shared places, links followed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.nodes.pack import module

access = module("nodes.access")


@pytest.mark.parametrize(
    "addresses", ["127.0.0.1", "127.8.0.3", "::1", "localhost", "LocalHost", "127.0.0.1, ::1", "[::1]"]
)
def test_loopback_is_recognised(addresses: str) -> None:
    assert not access.listens_beyond_loopback(addresses)


@pytest.mark.parametrize(
    "addresses", ["0.0.0.0,::", "0.0.0.0", "::", "192.168.1.7", "127.0.0.1,192.168.1.7", "", "127.0.0.1,", "my-server",
                  "fe80::1%eth0", "128.0.0.1"]
)  # fmt: skip
def test_anything_else_is_beyond_loopback(addresses: str) -> None:
    assert access.listens_beyond_loopback(addresses)


def test_folders_in_shared_places_may_be_read_and_no_others(tmp_path: Path) -> None:
    shared = tmp_path / "input"
    (shared / "Merlina 小美/deep").mkdir(parents=True)
    (tmp_path / "input and more").mkdir()
    for inside in (shared, shared / "Merlina 小美/deep", shared / "not yet there", shared / "a/../b"):
        assert access.may_be_read(inside, [shared])
    for outside in (
        tmp_path,
        tmp_path / "input and more",
        shared / "..",
        shared / "../secret",
        Path("/"),
        Path("/etc"),
    ):
        assert not access.may_be_read(outside, [shared])
        assert not access.may_be_read(outside, [])


@pytest.mark.skipif(sys.platform == "win32", reason="links need special rights on Windows")
def test_links_are_followed_before_deciding(tmp_path: Path) -> None:
    shared, secret = tmp_path / "input", tmp_path / "secret"
    (shared / "photos").mkdir(parents=True)
    secret.mkdir()
    (shared / "way out").symlink_to(secret, target_is_directory=True)
    (tmp_path / "way in").symlink_to(shared / "photos", target_is_directory=True)
    (tmp_path / "alias").symlink_to(shared, target_is_directory=True)
    assert not access.may_be_read(shared / "way out", [shared])
    assert not access.may_be_read(shared / "way out/deeper", [shared])
    assert not access.may_be_read(tmp_path / "way in", [shared])  # decided without looking at it at all
    assert access.may_be_read(tmp_path / "alias/photos", [tmp_path / "alias"])
    assert access.may_be_read(shared / "photos", [tmp_path / "alias"])


def test_what_does_not_look_allowed_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    really_follow = os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda path, **options: asked.append(str(path)) or really_follow(path))
    assert not access.may_be_read(Path("/elsewhere/secret"), [tmp_path])
    assert asked == [str(tmp_path)]


def test_settings_file_names_one_folder_per_line(tmp_path: Path) -> None:
    first, second = tmp_path / "照片", tmp_path / "with spaces"
    text = f'\ufeff# shared with everybody\n\n{first}\r\n  "{second}"  \nrelative/is/nothing\n~/photos\n'
    (tmp_path / "folders.txt").write_text(text, encoding="utf-8", newline="")
    assert access.folders_named_in(tmp_path / "folders.txt") == [first, second, Path.home() / "photos"]
    assert access.folders_named_in(tmp_path / "missing.txt") == []


OWN = {"Host": "127.0.0.1:8188"}


@pytest.mark.parametrize(
    "headers",
    [
        OWN,  # a program, or a page that was asked for by its address
        {**OWN, "Origin": "http://127.0.0.1:8188"},
        {**OWN, "Origin": "http://127.0.0.1:8188", "Sec-Fetch-Site": "same-origin"},
        {**OWN, "Sec-Fetch-Site": "none"},
        {"Host": "ComfyUI.local", "Origin": "http://comfyui.local"},
        {"Host": "192.168.1.7:8188", "Origin": "http://192.168.1.7:8188"},
        {"Host": "[::1]:8188", "Origin": "http://[::1]:8188"},
        {"Host": "lab.example:443", "Origin": "https://lab.example"},
        # Behind a proxy that asks by another name: the browser's word is enough, or the name that the proxy was called.
        {"Host": "10.0.0.3:8188", "Origin": "https://lab.example", "Sec-Fetch-Site": "same-origin"},
        {"Host": "10.0.0.3:8188", "Origin": "http://lab.example:90", "X-Forwarded-Host": "lab.example:90"},
    ],
)
def test_own_pages_and_programs_may_ask(headers: dict[str, str]) -> None:
    assert access.is_own_page(headers, None)
    assert access.is_own_page(headers, "*")


@pytest.mark.parametrize(
    "headers",
    [
        {**OWN, "Origin": "http://evil.example"},
        {**OWN, "Origin": "http://127.0.0.1:8189"},
        {**OWN, "Origin": "null"},
        {**OWN, "Origin": "http://[bad"},
        {**OWN, "Sec-Fetch-Site": "cross-site"},
        {**OWN, "Origin": "http://127.0.0.1:8188", "Sec-Fetch-Site": "same-site"},
        {"Host": "192.168.1.7:8188", "Origin": "http://192.168.1.8:8188"},
        {"Host": "192.168.1.7:8188", "Origin": "http://192.168.1.7"},
        {"Origin": "http://evil.example"},
    ],
)
def test_pages_of_other_origins_may_not_but_for_the_one_that_was_named(headers: dict[str, str]) -> None:
    assert not access.is_own_page(headers, None)
    assert not access.is_own_page(headers, "*"), "--enable-cors-header without an origin names nobody"
    if "Origin" in headers:
        assert access.is_own_page(headers, headers["Origin"])
