"""Whatever a URL is made of, printing it shows no secret, and opening it gets every character."""

import pickle
from urllib.parse import quote

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


@given(st.text(max_size=40))
def test_no_text_makes_it_fail(text: str) -> None:
    for raw in (text, f"rtsp://{text}", f"http://u:p@{text}/x", f"rtsp://[{text}"):
        url = RedactedUrl(raw, hidden=(text,))
        assert isinstance(str(url), str)
        assert isinstance(url.scrub(text), str)
        assert url.reveal() == raw
