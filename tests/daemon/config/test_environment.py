from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config.environment import substitute


def test_names_are_filled_in_and_doubled_braces_are_braces() -> None:
    found = substitute("{A}-{{A}}-{B_2}-{lower}-{", {"A": "1", "B_2": "2"})
    assert found.text == "1-{A}-2-{lower}-{"
    assert found.missing == ()


def test_what_is_not_set_is_named() -> None:
    assert substitute("{A} {B}", {"A": "1"}).missing == ("B",)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_password_survives_the_user_info_of_a_url(password: str) -> None:
    found = substitute("rtsp://viewer:{PW}@10.0.0.5:8554/a?b=c", {"PW": password})
    parts = urlsplit(found.text)
    assert unquote(parts.password or "") == password
    assert (parts.username, parts.hostname, parts.port, parts.path) == ("viewer", "10.0.0.5", 8554, "/a")
    assert password in found.secrets


def test_a_password_in_the_query_is_encoded_and_secret() -> None:
    found = substitute("http://cam/snap?user=u&password={PW}&x=1", {"PW": "a&b=c"})
    assert found.text == "http://cam/snap?user=u&password=a%26b%3Dc&x=1"
    assert {"a&b=c", "a%26b%3Dc"} <= found.secrets


def test_host_and_port_are_no_secrets_but_the_path_is() -> None:
    found = substitute("rtsp://u:p@{HOST}:{PORT}/{KEY}", {"HOST": "cam.local", "PORT": "554", "KEY": "k3y"})
    assert found.text == "rtsp://u:p@cam.local:554/k3y"
    assert found.secrets == {"k3y"}


def test_a_whole_url_from_the_environment_stays_as_it_is() -> None:
    assert substitute("{CAMERA}", {"CAMERA": "rtsp://u:p%40@h/s"}).text == "rtsp://u:p%40@h/s"


def test_a_placeholder_as_shells_and_compose_write_it_is_filled_in() -> None:
    found = substitute("rtsp://viewer:${PW}@h/s?key=${KEY}&x=${{A}}", {"PW": "a@b", "KEY": "c&d"})
    assert found.text == "rtsp://viewer:a%40b@h/s?key=c%26d&x=${A}"
    assert {"a@b", "c&d"} <= found.secrets
    assert substitute("${A}", {}).missing == ("A",)


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("$CAMERA_PW", "$NAME"),
        ("$(CAMERA_PW)", "$(NAME)"),
        ("%CAMERA_PW%", "%NAME%"),
        ("%(camera_pw)s", "%(NAME)s"),
        ("<password>", "<name>"),
        ("{{ CAMERA_PW }}", "{{ NAME }}"),
        ("{{CAMERA_PW}}", "{{ NAME }}"),
        ("{camera_pw}", "{name}"),
        ("${CAMERA_PW:-none}", "{name}"),
        ("{env:CAMERA_PW}", "{name}"),
    ],
)
def test_a_placeholder_of_another_system_is_told_but_not_quoted(written: str, form: str) -> None:
    (doubt,) = substitute(f"rtsp://viewer:{written}@10.0.0.5/s", {}).doubts
    assert f" {form}:" in doubt[0]
    assert "camera" not in " ".join(doubt).lower()


@pytest.mark.parametrize(
    "written", ["{PW}", "${PW}", "pa$$w0rd", "pa$word", "100%25", "%3A%2F%DE%AD", "a<b", "a>b", "{{a}}", "%AB%CD"]
)
def test_what_may_be_a_password_is_not_doubted(written: str) -> None:
    assert substitute(f"rtsp://viewer:{written}@10.0.0.5/s", {"PW": "$HOME %USER% {x}"}).doubts == ()


@pytest.mark.parametrize("value", ["", " pw", "pw\n", '"pw"', "'pw'"])
def test_a_variable_that_is_empty_or_wrapped_is_told(value: str) -> None:
    (doubt,) = substitute("rtsp://viewer:{PW}@h/s", {"PW": value}).doubts
    assert "environment variable PW" in doubt[0]
    assert substitute("{PW}", {"PW": "it's"}).doubts == ()
