"""Whatever a URL is made of, printing it shows no secret, and opening it gets every character."""

import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.redaction import MASK, RedactedUrl

SECRET = st.text(st.sampled_from("QZXJ0123456789%@:/?#&=é "), min_size=6, max_size=12).map(lambda s: f"QZ{s}ZQ")
PLACE = st.sampled_from(["user", "query", "path", "all"])


def written(secret: str, place: str) -> RedactedUrl:
    """A camera's URL with a secret at a place, as the configuration would make it."""
    coded = quote(secret, safe="")
    user = f"viewer:{coded}@" if place in ("user", "all") else ""
    query = f"?channel=1&pass={coded}" if place in ("query", "all") else ""
    path = f"/{coded}" if place in ("path", "all") else "/live"
    hidden = (secret, coded) if place in ("path", "all") else ()
    return RedactedUrl(f"rtsp://{user}10.0.0.5:8554{path}{query}", hidden)


@given(SECRET, PLACE)
def test_no_way_of_printing_shows_it(secret: str, place: str) -> None:
    url, coded = written(secret, place), quote(secret, safe="")
    failure = url.scrub(f"open {url.reveal()}: no")
    for text in (str(url), repr(url), f"{url}", f"{url!s:>200}", str({"url": url}), failure):
        assert coded not in text
        assert secret not in text
        assert MASK in text
    assert "10.0.0.5:8554" in str(url)


@given(SECRET, PLACE)
def test_the_real_thing_comes_back_also_from_another_process(secret: str, place: str) -> None:
    url = written(secret, place)
    copy = pickle.loads(pickle.dumps(url))
    assert copy.reveal() == url.reveal()
    assert quote(secret, safe="") in copy.reveal()
    assert str(copy) == str(url)
    assert copy == url
    assert hash(copy) == hash(url)


@given(st.text(st.sampled_from("QZXJ0123456789%@:/?#&=;_[]"), min_size=6, max_size=12).map(lambda s: f"QZ{s}ZQ"))
def test_a_password_that_is_not_encoded_is_not_shown_either(secret: str) -> None:
    for raw in (f"rtsp://viewer:{secret}@10.0.0.5/live", f"rtsp:/viewer:{secret}@10.0.0.5/live"):
        url = RedactedUrl(raw)
        assert str(url) == "rtsp://***@10.0.0.5/live"
        assert secret not in url.scrub(f"cannot reach {secret}")
        assert secret in url.reveal()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("rtsp://h:554/user=admin&password=s3cret&channel=1", "rtsp://h:554/user=***&password=***&channel=***"),
        (
            "rtsp://h/user=admin_password=s3cret_channel=1_stream=0.sdp",
            "rtsp://h/user=***_password=***_channel=***_stream=***",
        ),
        ("http://h/live;token=s3cret/a.m3u8", "http://h/live;token=***/a.m3u8"),
        ("http://h/live?s3cret", "http://h/live?***"),
        ("http://h/live?key=s3cret#s3cret", "http://h/live?key=***"),
        ("viewer:s3cret@10.0.0.5/s", "***@10.0.0.5/s"),
        ("redis://:s3cret#s3cret@h:6379/0", "redis://***@h:6379/0"),
        ("unix://u:s3cret@/run/a.sock", "unix://***@/run/a.sock"),
    ],
)
def test_passwords_in_odd_places_are_masked(raw: str, shown: str) -> None:
    url = RedactedUrl(raw)
    assert str(url) == shown
    assert "s3cret" not in url.scrub("it says s3cret")


def test_what_is_no_secret_stays_readable() -> None:
    for raw in ("/data/a@b/x=1#2.mp4", "file:///data/a@b/x=1.mp4", "unix:///run/redis@1.sock", "rtsp://h:554/a_b/c-d"):
        assert str(RedactedUrl(raw)) == raw


@given(st.text(max_size=40))
def test_no_text_makes_it_fail(text: str) -> None:
    for raw in (text, f"rtsp://{text}", f"http://u:p@{text}/x", f"rtsp://[{text}"):
        url = RedactedUrl(raw, hidden=(text,))
        assert isinstance(str(url), str)
        assert isinstance(url.scrub(text), str)
        assert url.reveal() == raw
