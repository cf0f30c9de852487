"""`watchword doctor` on this very machine, and what it says where something is missing."""

import json
from io import StringIO
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from daemon.commands.setup.doctor import doctor, table
from daemon.doctor import Check, busy, redis_check, shared_memory_check, usable, verifier_check
from tests.support.serving.vlm_server import Behaviour, says, slow, status, vlm_server
from workers.redaction import RedactedUrl

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """What the command prints here; one run, for it takes seconds."""
    app = typer.Typer()
    app.command()(doctor)
    done = CliRunner().invoke(app, ["--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def named(report: dict[str, Any], name: str) -> dict[str, str]:
    (found,) = (check for check in report["checks"] if check["name"] == name)
    return found


def test_machine_of_the_tests_is_usable(report: dict[str, Any]) -> None:
    assert report["usable"] is True
    assert {c["area"] for c in report["checks"]} == {
        "machine",
        "input",
        "compute",
        "models",
        "privacy",
        "events",
        "runtime",
    }


def test_whatever_is_not_well_says_what_improves_it(report: dict[str, Any]) -> None:
    assert all(c["advice"] for c in report["checks"] if c["status"] != "ok")
    assert all("\n" not in c["advice"] + c["detail"] for c in report["checks"])


def test_decoders_are_tried_on_the_sample(report: dict[str, Any]) -> None:
    assert "720 frames of the sample decoded" in named(report, "decoding")["detail"]
    assert named(report, "random access")["detail"].startswith("decord2 3.")
    assert {"h264", "hevc", "aac"} <= set(named(report, "codecs")["detail"].split(", "))


def test_models_come_with_licence_and_size(report: dict[str, Any]) -> None:
    parts = [c for c in report["checks"] if c["name"].startswith("lite ") and c["name"] != "lite encoder"]
    assert {c["name"] for c in parts} == {"lite vision", "lite text", "lite languages", "lite speech"}
    assert all("Apache" in c["detail"] or "MIT" in c["detail"] for c in parts)
    assert all(c["detail"].endswith(("MB", "MB)")) for c in parts)


def test_encoder_aligner_and_embedded_server_really_run(report: dict[str, Any]) -> None:
    assert "frames a second" in named(report, "lite encoder")["detail"]
    assert "frames a second" in named(report, "object detectors")["detail"]
    assert "weights, as shipped" in named(report, "aligner")["detail"]
    assert named(report, "Redis at embedded")["status"] == "ok"


def test_a_busy_machine_is_told() -> None:
    assert busy(1.02) == busy(0.97) == ""
    assert busy(0.5) == " (the machine was busy: 50% of a core for this, measure again)"


def test_limits_of_lite_are_told(report: dict[str, Any]) -> None:
    actions = named(report, "actions")
    assert actions["status"] == "ok" or "profile: open_clip" in actions["advice"]


def test_unreachable_redis_fails_without_telling_the_password() -> None:
    check = redis_check(RedactedUrl("redis://watch:pa55word@127.0.0.1:1/0"))
    assert check.status == "fail"
    assert check.advice
    assert "pa55word" not in str(check)
    assert not usable((check,))


def test_little_shared_memory_is_a_warning_not_a_failure() -> None:
    docker = shared_memory_check(64_000_000)
    assert (docker.status, docker.detail) == ("warn", "0.1 GB")
    assert "--shm-size" in docker.advice
    assert shared_memory_check(2_000_000_000).status == "ok"
    assert usable((docker,))


def test_table_shows_names_with_brackets_as_they_are() -> None:
    out = StringIO()
    Console(file=out, width=120).print(table((Check("models", "x", "warn", "watchword[lite]", "pip install 'a[b]'"),)))
    assert "watchword[lite]" in out.getvalue()
    assert "pip install 'a[b]'" in out.getvalue()


def test_table_cuts_no_advice_off_on_a_narrow_terminal() -> None:
    out, advice = StringIO(), "watchword models pull ViT-B-32-256/datacomp_s34b_b86k"
    Console(file=out, width=60).print(table((Check("models", "actions", "warn", "not here", advice),)))
    shown = [line.split("│")[-2].strip() for line in out.getvalue().splitlines() if "│" in line]
    assert "".join(shown).replace(" ", "") == advice.replace(" ", "")


@pytest.mark.parametrize(
    ("behaviour", "state", "told"),
    [
        (says({"animal": "a tabby cat"}), "ok", "; 100 tokens"),
        (says({"animal": "a dog"}), "warn", "it does not see the cat in the sample"),
        (status(401), "warn", "rejects the key (status 401)"),
        (slow(0.4, says({"animal": "a cat"})), "warn", "no answer from"),
    ],
)
def test_a_verifier_is_asked_about_the_sample(behaviour: Behaviour, state: str, told: str) -> None:
    with vlm_server(behaviour) as server:
        check = verifier_check(server.settings(timeout=0.3))
        assert all(asked.jpegs[0][:2] == b"\xff\xd8" for asked in server.asked)
    assert (check.area, check.name, check.status) == ("verifier", f"tiny at {server.url}", state)
    assert told in check.detail
    assert bool(check.advice) == (state == "warn")


def test_a_model_that_loads_for_longer_than_the_timeout_is_a_warning() -> None:
    cat = says({"animal": "a cat"})
    with vlm_server(cat, slow(0.6, cat)) as server:
        check = verifier_check(server.settings(timeout=0.5))
    assert check.status == "warn"
    assert "keep the model loaded" in check.advice
