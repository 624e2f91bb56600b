"""What a file of a bundle may be called, and which kinds of files no bundle holds."""

from __future__ import annotations

import string
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.farm.bundles.paths import clash, fault_of, is_secret

HOSTILE = [
    "", ".", "..", "/etc/passwd", "//host/share/x", "\\\\host\\share\\x", "C:/x", "c:x", "a/../../b", "a/..", "../a",
    "a//b", "a/./b", "a/", "a\\b", "a\0b", "a\nb", "a:b", "file.txt:stream", "con", "CON.txt", "a/nul", "COM1",
    "lpt9.x", "aux .txt", "trailing.", "trailing ", "a/b./c", "a<b", "a|b", 'a"b', "a?b", "a*b", "x" * 256, "ä" * 200,
    "/".join(["d"] * 33), "a/" * 600 + "b", "\u202egpj.exe", "a\u200bb", "a\udcffb",
]  # fmt: skip
SECRETS = [
    ".ssh/id_rsa", "home/.ssh/config", ".env", "a/.env.local", "server.pem", "sign.KEY", "id_ed25519", "id_rsa.bak",
    ".aws/credentials", ".netrc", "store.kdbx", "a/.gnupg/x", "cert.p12", "token/auth_token",
]  # fmt: skip
PLAIN = [
    "scene.json",
    "assets/0123.npz",
    "Ätzend/日本.npy",
    "a.b.c",
    "envmap.exr",
    "keys.npz",
    "monkey",
    "..a",
    "consul",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_paths_that_lead_elsewhere_or_mean_something_else_are_refused(path: str) -> None:
    assert fault_of(path)


@pytest.mark.parametrize("path", SECRETS)
def test_keys_and_passwords_are_refused_by_their_names(path: str) -> None:
    assert is_secret(path) and fault_of(path) == "is kept for secrets"


@pytest.mark.parametrize("path", PLAIN)
def test_plain_paths_are_taken(path: str) -> None:
    assert fault_of(path) == "" and not is_secret(path)


@given(st.text(alphabet=string.ascii_letters + "./\\: \0ü" + "~%$", max_size=30))
def test_a_path_that_is_taken_lies_below_its_folder_on_every_system(path: str) -> None:
    if fault_of(path):
        return
    for kind in (PurePosixPath, PureWindowsPath):
        plain = kind(path)
        assert not plain.is_absolute() and not plain.drive and ".." not in plain.parts and plain.parts
        assert kind("/root", path).parts == kind("/root").parts + plain.parts


@pytest.mark.parametrize(
    "paths",
    [
        ("a", "a"), ("A", "a"), ("x/Straße", "x/STRASSE"), ("é", "e\u0301"), ("a", "a/b"), ("a/b", "A"),
        ("a/b/c", "a/B"), ("a/x", "A/y"),
    ],
)  # fmt: skip
def test_paths_that_are_one_file_somewhere_clash(paths: tuple[str, str]) -> None:
    assert clash(paths) is not None and clash(reversed(paths)) is not None


def test_paths_that_are_two_everywhere_do_not_clash() -> None:
    assert clash(["a/b", "a/c", "ab", "a.b/c", "scene.json"]) is None
