"""Channels against real servers: signed webhooks, ntfy and e-mail through apprise, and what they say of failures."""

import base64
import email
import hashlib
import hmac
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from daemon.alerts.attachments import Picture
from daemon.alerts.channels.apprise import AppriseChannel
from daemon.alerts.channels.base import DeliveryFailed, TargetRefused, TargetSilent, TargetUnreachable
from daemon.alerts.channels.webhook import WebhookChannel
from daemon.alerts.notice import Notice
from daemon.alerts.text import inert, markdown
from daemon.config.target_urls import TargetUrl, signing_key
from tests.daemon.alerts.conftest import House, cat
from tests.support.serving.receivers import Receiver, receiver
from tests.support.serving.servers import free_port
from workers.clock import SystemClock

JPEG = b"\xff\xd8\xff\xe0 a picture"
NOTICE = Notice(
    "msg_1",
    "alert",
    "cat on door",
    ("a cat, 90%",),
    (("Open", "https://x.example/events/a_b"),),
    (),
    (Picture("a.jpg", "image/jpeg", JPEG),),
)
STRANGE = "<b>x</b> [y](http://evil.example) *z* @everyone\r\nBcc: a@b.example \x1b[31m"


def webhook(url: str, secret: str | None = None) -> WebhookChannel:
    return WebhookChannel(TargetUrl(url), secret, SystemClock())


@pytest.mark.parametrize("secret", ["a secret of my own", "whsec_" + base64.b64encode(b"k" * 32).decode()])
def test_a_signature_is_that_of_standard_webhooks(hook: Receiver, secret: str) -> None:
    webhook(f"{hook.url}/in?a=b", secret).send(NOTICE)
    (one,) = hook.got
    assert one.path == "/in?a=b"
    signed = f"{one.headers['webhook-id']}.{one.headers['webhook-timestamp']}.".encode() + one.body
    key = b"k" * 32 if secret.startswith("whsec_") else secret.encode()
    assert signing_key(secret) == key
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert one.headers["webhook-signature"] == f"v1,{expected}"
    assert one.headers["webhook-id"] == "msg_1"
    assert base64.b64decode(one.json["data"]["attachments"][0]["base64"]) == JPEG


def test_without_a_secret_nothing_is_signed(hook: Receiver) -> None:
    webhook(hook.url).send(NOTICE)
    assert "webhook-signature" not in hook.got[0].headers


def test_what_a_server_asks_for_is_kept(hook: Receiver) -> None:
    hook.mode, hook.headers = "503", {"Retry-After": "17"}
    with pytest.raises(TargetRefused) as failure:
        webhook(hook.url).send(NOTICE)
    assert failure.value.wait_s == 17
    hook.headers = {"Retry-After": "Wed, 21 Oct 2999 07:28:00 GMT"}
    with pytest.raises(TargetRefused) as failure:
        webhook(hook.url).send(NOTICE)
    assert failure.value.wait_s == 3600


@pytest.mark.parametrize(
    ("mode", "kind", "blames_target"),
    [("500", TargetRefused, True), ("413", TargetRefused, False), ("lost", TargetSilent, True)],
)
@pytest.mark.parametrize("scheme", ["ntfy", "json", "webhook"])
def test_failures_are_told_apart(
    hook: Receiver, scheme: str, mode: str, kind: type[DeliveryFailed], blames_target: bool
) -> None:
    hook.mode = mode
    at = f"127.0.0.1:{hook.port}/topic-secret"
    channel = webhook(f"http://{at}") if scheme == "webhook" else AppriseChannel(TargetUrl(f"{scheme}://{at}"))
    with pytest.raises(kind) as failure:
        channel.send(NOTICE)
    assert failure.value.blames_target is blames_target
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("url", ["ntfy://127.0.0.1:9/topic", "mailto://u:pass-word@127.0.0.1:9?to=a@b.example"])
def test_who_cannot_be_reached_got_nothing(url: str) -> None:
    with pytest.raises(TargetUnreachable) as failure:
        AppriseChannel(TargetUrl(url)).send(NOTICE)
    assert "pass-word" not in str(failure.value)


def test_ntfy_gets_text_link_priority_and_picture(hook: Receiver) -> None:
    channel = AppriseChannel(TargetUrl(f"ntfy://127.0.0.1:{hook.port}/topic"))
    channel.send(NOTICE)
    (one,) = hook.got
    assert one.path.startswith("/topic?")
    assert "title=cat+on+door" in one.path
    assert "Open%3A+https%3A%2F%2Fx.example%2Fevents%2Fa_b" in one.path
    assert one.body == JPEG
    assert "x-icon" not in one.headers  # phones would fetch it from elsewhere
    assert "x-priority" not in one.headers
    channel.send(Notice("msg_2", "alert", "fire", ("fire",), priority=9))
    assert hook.got[1].headers["x-priority"] == "high"


class Mailbox:
    """An SMTP server that keeps what it gets; ``answer``: what it says to a message."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.answer = "250 kept"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  its name
        content = envelope.content
        self.got.append(email.message_from_bytes(content if isinstance(content, bytes) else content.encode()))
        return self.answer


@contextmanager
def mail() -> Iterator[tuple[Mailbox, str]]:
    box, port = Mailbox(), free_port()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield box, f"mailto://127.0.0.1:{port}?from=watchword@house.example&to=me@house.example&mode=insecure"
    finally:
        server.stop()


def test_a_mail_has_the_text_and_the_picture_and_strangers_write_no_header() -> None:
    lines = (inert(STRANGE),)
    with mail() as (box, url):
        channel = AppriseChannel(TargetUrl(url))
        channel.send(Notice("msg_1", "alert", f"cat {inert(STRANGE)}", lines, pictures=NOTICE.pictures))
        box.answer = "554 no"
        with pytest.raises(TargetRefused):
            channel.send(NOTICE)
    one = box.got[0]
    assert one["Bcc"] is None
    assert one["To"] == "me@house.example"
    parts = {part.get_content_type(): part.get_payload(decode=True) for part in one.walk() if not part.is_multipart()}
    assert parts["image/jpeg"] == JPEG
    assert parts.keys() == {"text/plain", "image/jpeg"}  # no HTML in which anything could be markup
    assert inert(STRANGE).encode() in bytes(parts["text/plain"] or b"")


def test_texts_of_strangers_are_inert() -> None:
    assert inert(STRANGE) == (
        "<b>x</b> [y](http://evil.example) *z* @\u200beveryone Bcc: a@\u200bb.example \\u001b[31m"
    )
    assert inert("x" * 1000) == "x" * 300 + "…"
    assert markdown("[y](http://e) *z* <b>") == r"\[y\]\(http\://e\) \*z\* \<b\>"


def test_markdown_of_strangers_is_escaped_where_a_service_shows_it(hook: Receiver) -> None:
    AppriseChannel(TargetUrl(f"mmost://127.0.0.1:{hook.port}/abcdefghijklmnop")).send(
        Notice("msg_1", "alert", "cat", (inert(STRANGE),), (("Open", "https://x.example/a_b"),))
    )
    text = hook.got[0].json["text"]
    assert "[y](" not in text
    assert r"\[y\]\(http" in text
    assert "[Open](https://x.example/a_b)" in text


def test_what_is_said_and_named_reaches_a_webhook_inertly(house: House, hook: Receiver) -> None:
    house.start({"targets": {"hook": {"webhook": hook.url}}, "public_url": "https://x.example"})
    source = {"file": "a/<script>.mp4", "name": "<script>\n@all.mp4", "sha256": None, "duration": None}
    event = cat(1, text=STRANGE, description=[STRANGE], live=False, start_unix=None, start=5.0, end=9.0, source=source)
    house.happen(event)
    (one,) = hook.wait(1)
    lines = one.json["data"]["text"].splitlines()
    assert lines[1] == "<script> @\u200ball.mp4, 0:00:05.0 from its start"
    assert lines[2].startswith("Heard: “<b>x</b> [y](http://evil.example) *z* @\u200beveryone")
    assert lines[3] == f"Open: https://x.example/events/{event.id}"
    assert lines[4].startswith("Mute for an hour: https://x.example/api/v1/mute?camera=door&event=cat&expires=")
    assert lines[5].startswith("False alert: https://x.example/api/v1/feedback?event=0001cafe&verdict=wrong&expires=")
    assert lines[6].startswith("Right: https://x.example/api/v1/feedback?")
    assert len(lines) == 7


def test_a_picture_that_is_missing_or_refused_costs_no_message(house: House, hook: Receiver, tmp_path: Path) -> None:
    picture = house.evidence("a.jpg", JPEG)
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(JPEG)
    evidence = cat(1).evidence.model_copy(update={"snapshot": str(picture)})
    gone = evidence.model_copy(update={"snapshot": str(picture.with_name("none.jpg"))})
    elsewhere = evidence.model_copy(update={"snapshot": str(outside)})  # only evidence is ever sent
    house.start({"targets": {"hook": {"webhook": hook.url}}, "cooldown": 0})
    house.happen(cat(1, evidence=evidence.model_dump()), cat(2, evidence=gone.model_dump()))
    house.happen(cat(4, evidence=elsewhere.model_dump()))
    house.wait_for("delivered", 3)
    assert [len(one.json["data"]["attachments"]) for one in hook.got] == [1, 0, 0]
    hook.mode = "413"
    house.happen(cat(3, evidence=evidence.model_dump()))
    while not hook.refused:
        threading.Event().wait(0.01)
    hook.mode = "ok"
    house.wait_for("delivered", 4)
    assert hook.got[3].json["data"]["attachments"] == []


def test_a_server_that_sends_rubbish_or_never_ends_is_survived() -> None:
    class Rubbish(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 16)
            self.request.sendall(b"\x00\x01 this is no HTTP\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Rubbish) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with pytest.raises(TargetSilent):
            webhook(f"http://127.0.0.1:{server.server_address[1]}").send(NOTICE)
        server.shutdown()


def test_services_that_stall_hold_up_neither_others_nor_the_end(house: House, hook: Receiver) -> None:
    with receiver() as stalled:
        stalled.mode = "stall"
        slow = {f"slow{n}": f"ntfy://127.0.0.1:{stalled.port}/a?rto=30" for n in range(40)}
        service = house.start({"targets": slow | {"phone": f"ntfy://127.0.0.1:{hook.port}/b"}})
        house.happen(cat(1))
        stalled.wait(40)  # each has a thread of its own
        house.wait_for("delivered", target="phone")
        began = time.monotonic()
        service.stop(1.0)
        assert time.monotonic() - began < 10
        names = {thread.name for thread in threading.enumerate() if not thread.daemon}
        assert not [name for name in names if "ThreadPool" in name], "the interpreter would wait for them"
