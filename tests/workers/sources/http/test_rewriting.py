"""What FFmpeg is told of addresses: nothing but plain HTTP, whatever a playlist says and however it is quoted."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workers.sources.http.rewriting import Origin, origin, plain, plain_line


@pytest.mark.parametrize(
    ("address", "secure", "expected"),
    [
        ("https://h/a?b=https://c/#d", False, "http://h:100443/a?b=https://c/#d"),
        ("HTTPS://me:p%40w@H.example:8443", False, "http://me:p%40w@H.example:108443"),
        ("https://[::1]:1/x", False, "http://[::1]:100001/x"),
        ("https://h:/x", False, "http://h:100443/x"),
        ("http://h:81/x", True, "http://h:81/x"),
        ("//h/x", True, "http://h:100443/x"),
        ("//h/x", False, "//h/x"),
        ("/x:y", True, "/x:y"),
        ("x.ts?to=tcp://h", True, "x.ts?to=tcp://h"),
        ("", True, ""),
        ("tcp://h:1/x", False, "refused:tcp://h:1/x"),
        ("httpproxy://h:1/x", False, "refused:httpproxy://h:1/x"),
        (" https://h/x", False, "refused: https://h/x"),
        ("https:h/x", False, "refused:https:h/x"),
        ("https://h:x/", False, "refused:https://h:x/"),
    ],
)
def test_addresses(address: str, secure: bool, expected: str) -> None:
    assert plain(address, secure) == expected


@pytest.mark.parametrize(
    ("authority", "expected", "host"),
    [
        ("h.example:80", Origin("h.example", 80, False), "h.example"),
        ("H:81", Origin("h", 81, False), "h:81"),
        ("h:100443", Origin("h", 443, True), "h"),
        ("[::1]:108443", Origin("::1", 8443, True), "[::1]:8443"),
        ("h:165535", Origin("h", 65535, True), "h:65535"),
    ],
)
def test_whom_they_mean(authority: str, expected: Origin, host: str) -> None:
    assert origin(authority) == expected
    assert expected.authority == host


@pytest.mark.parametrize(
    "authority", ["", ":80", "h:0", "h:65536", "h:100000", "h:165536", "h:1000443", "[::1", "a:b:1"]
)
def test_what_means_nobody(authority: str) -> None:
    with pytest.raises(ValueError, match="no host"):
        origin(authority)


def uris_of(line: str) -> list[str]:
    """The addresses in a playlist's line as FFmpeg finds them (``ff_parse_key_value`` of its libavformat)."""
    if not line.startswith("#"):
        return [line]
    found, rest = [], line.partition(":")[2]
    while "=" in (rest := rest.lstrip(" \t\v\f,")):
        key, _, rest = rest.partition("=")
        if rest.startswith('"'):
            value = re.match(r'"((?:\\.|[^"\\])*)"?', rest)
            assert value
            text = re.sub(r"\\(.)", r"\1", value[1])
        else:
            value = re.match(r"[^\s,]*", rest)
            assert value
            text = value[0]
        rest = rest[value.end() :]
        found += [text] if key == "URI" else []
    return found


PIECES = [
    "URI=",
    '"',
    "\\",
    ",",
    " ",
    "X=",
    "tcp:",
    "//h",
    "https:",
    "http:",
    "a",
    "/",
    "?",
    "#",
    ":",
    "file:",
    "[",
    "@",
    "9",
]
LINES = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@example(line='#EXT-X-MEDIA:X="\\"URI=" ,URI="tcp://h"', secure=False)
@example(line="#EXT-X-MEDIA:URI=a,URI=tcp://h", secure=True)
@example(line='#EXT-X-MEDIA:X="" URI="tcp://h"', secure=False)
@settings(max_examples=500)
@given(line=LINES | LINES.map("#EXT-X-MEDIA:{}".format), secure=st.booleans())
def test_no_line_names_anything_else(line: str, secure: bool) -> None:
    for uri in uris_of(plain_line(line.encode(), secure).decode()):
        scheme = re.match("[^:/?#]*:", uri)
        assert scheme is None or not scheme[0].rstrip(":").isalnum() or scheme[0] in ("http:", "refused:")


def test_tags_keep_the_rest() -> None:
    line = b'#EXT-X-MAP:BYTERANGE="7@0",URI="https://h/i.mp4",X="urn:a:b"'
    assert plain_line(line, True) == line.replace(b"https://h/", b"http://h:100443/")
    bare = b"#EXT-X-KEY:METHOD=AES-128,URI=//h/k,IV=0x1"
    assert plain_line(bare, True) == bare.replace(b"//h/", b"http://h:100443/")
