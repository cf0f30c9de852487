"""Addresses and secrets: what would be cut or misread is said, and no problem shows a part of one."""

from collections.abc import Callable

import pytest

from daemon.config import Config, Problem

Load = Callable[..., Config]
Problems = Callable[..., tuple[Problem, ...]]

GOOD = "cameras: {a: {url: a.mp4}}\nevents: {cat: {describe: a cat}}\n"


def test_a_secret_in_a_wrong_value_is_not_printed(problems: Problems) -> None:
    text = """\
    cameras: {a: {url: "nope://u:{PW}@h/{KEY}"}}
    events: {cat: {describe: a cat}}
    """
    found = problems(text, PW="s3cr3t-pw", KEY="s3cr3t-key")
    assert len(found) == 1
    assert "s3cr3t" not in repr(found)


def test_a_mistyped_url_is_no_path_that_shows_its_password(problems: Problems) -> None:
    for url in ("rtsp:/u:{PW}@h/1", "rtsp:u:{PW}@h", "HTTP:u:{PW}@h"):
        found = problems(f'cameras: {{a: {{url: "{url}"}}}}\nevents: {{cat: {{describe: a cat}}}}\n', PW="s3cr3t-pw")
        assert "two slashes" in found[0].message
        assert "s3cr3t" not in repr(found)


def test_placeholders_of_other_systems_are_warnings_with_their_lines(load: Load) -> None:
    config = load(
        """
        cameras:
          a: {url: "rtsp://viewer:$DOOR_PASSWORD@10.0.0.5/s"}
          b: {url: "rtsp://viewer:{PW}@10.0.0.6/s"}
        events: {cat: {describe: "a {cat} for $PRICE"}}
        redis: {url: "redis://:{{ REDIS_PW }}@r:6379/0"}
        http: {token: "<a token of yours>"}
        """,
        PW="",
    )
    told = {w.key: (w.line, w.message) for w in config.warnings}
    assert set(told) == {"cameras.a.url", "cameras.b.url", "redis.url", "http.token"}
    assert told["cameras.a.url"][0] == 3
    assert "$NAME" in told["cameras.a.url"][1]
    assert "PW is empty" in told["cameras.b.url"][1]
    assert "DOOR_PASSWORD" not in str(config.warnings)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://viewer:9911#s3cret@10.0.0.5/s",
        "rtsp://viewer:9911/s3cret@10.0.0.5/s",
        "rtsp://viewer:9911?s3cret@10.0.0.5/s",
        "rtsp://viewer:99@11/s3cret@10.0.0.5/s",
        "rtsp://viewer:s3c#ret@10.0.0.5/s",
        "rtsp://viewer:[s3cret@10.0.0.5/s",
        "rtsp://s3cret#viewer:s3cret@10.0.0.5/s",
        "http://10.0.0.5/snap?user=x&password=9911#s3cret",
        "rtsp:///viewer:s3cret@10.0.0.5/s",
        "rtsp:/viewer:s3cret@10.0.0.5/s",
        "viewer:s3cret@10.0.0.5/s",
    ],
)
def test_a_url_whose_password_would_be_cut_is_refused_and_not_shown(problems: Problems, url: str) -> None:
    (problem,) = problems(GOOD.replace("a.mp4", f"'{url}'"))
    assert (problem.line, problem.key) == (1, "cameras.a.url")
    assert "not a URL" in problem.message
    assert "s3c" not in str(problem)
    assert "viewer" not in str(problem)
    (problem,) = problems(GOOD + f"redis: {{url: '{url.replace('rtsp', 'redis').replace('http', 'redis')}'}}\n")
    assert problem.key == "redis.url"
    assert "s3c" not in str(problem)


def test_the_advice_for_a_cut_password_works(problems: Problems, load: Load) -> None:
    (problem,) = problems(GOOD.replace("a.mp4", "'rtsp://viewer:9911#word9@10.0.0.5/s'"))
    assert "%23" in problem.message
    assert "{NAME}" in problem.message
    for url in ("rtsp://viewer:9911%23word9@10.0.0.5/s", "rtsp://viewer:{PW}@10.0.0.5/s"):
        config = load(GOOD.replace("a.mp4", f"'{url}'"), PW="9911#word9")
        assert config.cameras["a"].url.reveal() == "rtsp://viewer:9911%23word9@10.0.0.5/s"
        assert {"9911%23word9", "9911#word9"} <= config.secrets()
        assert config.warnings == ()


def test_what_is_no_password_may_have_its_signs(load: Load) -> None:
    for url in ("./user:x@home.mp4", "clip#1@home.mp4", "file:///data/a@b#c.mp4", "udp://@239.0.0.1:1234"):
        load(GOOD.replace("a.mp4", f"'{url}'"))
    load(GOOD + "redis: {url: 'unix:///run/redis@1.sock'}\n")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://127.0.0.1:6379/0?nosuch=1", "'nosuch' is not read"),
        ("redis://127.0.0.1:6379/0?decode_responses=no", "'decode_responses' is not read"),
        ("redis://127.0.0.1:6379/0?DB=1", "'DB' is not read"),
        ("redis://127.0.0.1:6379/0?ssl_ca_certs=/ca.pem", "needs rediss://"),
        ("unix:///run/redis.sock?socket_keepalive=yes", "'socket_keepalive' is not read"),
        ("redis://127.0.0.1:6379/events", "must be a number"),
        ("redis://127.0.0.1:6379/0?db=1", "there twice"),
        ("redis://127.0.0.1:6379?db=1&db=2", "more than once"),
        ("redis://127.0.0.1:6379?db=one", "db has a value"),
        ("rediss://127.0.0.1:6379?ssl_cert_reqs=maybe", "ssl_cert_reqs has a value"),
    ],
)
def test_what_nobody_reads_in_the_address_of_redis_is_a_mistake(problems: Problems, url: str, said: str) -> None:
    (problem,) = problems(GOOD + f"redis: {{url: '{url}'}}\n")
    assert problem.key == "redis.url"
    assert said in problem.message


def test_a_tag_of_another_system_gets_the_way_to_write_a_variable(problems: Problems) -> None:
    (problem,) = problems(GOOD.replace("a.mp4", "!secret door_url"))
    assert "{NAME}" in problem.hint


@pytest.mark.parametrize("value", ["!s3cret", "!s3c!ret", "*s3cret", "!!s3cret x", "&s3c *s3cret", "!<s3cret> x"])
def test_a_password_that_yaml_takes_for_something_else_is_not_told(problems: Problems, value: str) -> None:
    found = problems(GOOD + f"http: {{token: {value}}}\n")
    assert found
    assert all("s3c" not in str(problem) for problem in found)
