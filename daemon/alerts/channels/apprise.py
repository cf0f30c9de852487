"""Services that apprise knows: ntfy, Telegram, e-mail and others."""

import logging
import re
from typing import Any

import apprise
from apprise.attachment.memory import AttachMemory

from daemon.alerts.channels.base import (
    MESSAGE_STATUS,
    DeliveryFailed,
    TargetRefused,
    TargetSilent,
    TargetUnreachable,
)
from daemon.alerts.notice import Notice
from daemon.alerts.text import markdown
from daemon.config.target_urls import quiet_apprise
from workers.redaction import RedactedUrl

HIGH = 8  # priority of an event from which on services that know priorities are given a high one
# Services that show Markdown whatever they are told: texts are escaped for them.
_MARKDOWN = frozenset(
    {"discord", "guilded", "mmost", "mmosts", "rocket", "rockets", "zulip", "wxteams", "webex", "gchat", "msteams"}
)
# What apprise's messages for its log say about a failure. Nothing of them is shown: they quote URLs and answers.
_STATUS = re.compile(r"error=(\d{3})\b")
_NOT_SENT = re.compile(
    r"refused|NewConnectionError|NameResolutionError|ConnectTimeout|getaddrinfo|Name or service not known|"
    r"No route to host|unreachable|CERTIFICATE_VERIFY|SSLError|Temporary failure in name resolution",
    re.IGNORECASE,
)
_SMTP_ANSWER = re.compile(r"\((\d{3}), b['\"]|Authentication|RecipientsRefused|SenderRefused", re.IGNORECASE)


class AppriseChannel:
    """The ``Channel`` to a service by its URL."""

    def __init__(self, url: RedactedUrl) -> None:
        quiet_apprise()
        self._url = url
        self._normal, self._high = _service(url, high=False), _service(url, high=True)

    def send(self, notice: Notice) -> None:
        """Send a message with its files; the service's answer confirms it."""
        service = self._high if notice.priority >= HIGH else self._normal
        if service is None:
            raise TargetUnreachable(f"apprise does not accept {self._url}", "see https://appriseit.com")
        sender = apprise.Apprise()
        sender.add(service)
        is_markdown = _shows_markdown(self._url)
        result = sender.notify(
            body=_markdown(notice) if is_markdown else notice.text,
            title=markdown(notice.title) if is_markdown else notice.title,
            body_format=apprise.NotifyFormat.MARKDOWN if is_markdown else apprise.NotifyFormat.TEXT,
            notify_type=apprise.NotifyType.WARNING if notice.priority >= HIGH else apprise.NotifyType.INFO,
            attach=_files(notice) if service.attachment_support else None,
            log_level=logging.DEBUG,
        )
        if not result:
            said = (str(entry.message) for entry in result.logs())
            raise self._failure("\n".join(line for line in said if "Payload" not in line))  # that quotes our text

    def idle(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: each message has a connection of its own."""

    def _failure(self, said: str) -> DeliveryFailed:
        """Return what went wrong, as far as apprise's log says it; when in doubt, the message may have arrived."""
        if status := _STATUS.search(said):
            error = TargetRefused(f"{self._url} answered with status {status[1]}")
            error.blames_target = int(status[1]) not in MESSAGE_STATUS
            return error
        if _NOT_SENT.search(said):
            return TargetUnreachable(f"no connection to {self._url}")
        if _SMTP_ANSWER.search(said):
            return TargetRefused(f"{self._url} does not accept the message")
        return TargetSilent(f"{self._url} did not confirm the message")


def _service(url: RedactedUrl, high: bool) -> Any:
    """Return apprise's service for a URL; with ``high`` at a high priority, where it has priorities and sets none."""
    raw = url.reveal()
    found = _instance(raw)
    if not high or found is None or "priority=" in raw:
        return found
    if "high" not in found.template_args.get("priority", {}).get("values", ()):
        return found
    return _instance(f"{raw}{'&' if '?' in raw else '?'}priority=high")


def _instance(raw: str) -> Any:
    # No icons: phones would fetch them from elsewhere. No time limit but those of sockets: with one, apprise sends in
    # threads that all targets share, so that a few which stall would hold up the others, and the end of the daemon.
    asset = apprise.AppriseAsset(
        app_id="Watchword", app_desc="Watchword", app_url="", image_url_mask="", service_timeout=0
    )
    service = apprise.Apprise.instantiate(raw, asset=asset)
    if service is not None:
        service.request_rate_per_sec = 0  # several seconds between two messages; a service that minds says so
    return service


def _shows_markdown(url: RedactedUrl) -> bool:
    raw = url.reveal()
    return raw.partition("://")[0].lower() in _MARKDOWN or "format=markdown" in raw.lower()


def _markdown(notice: Notice) -> str:
    links = (f"[{markdown(label)}]({url})" for label, url in notice.links)
    return "\n\n".join((*map(markdown, notice.lines), *links))


def _files(notice: Notice) -> Any:
    if not notice.pictures:
        return None
    files = apprise.AppriseAttachment()
    for file in notice.pictures:
        files.add(AttachMemory(content=file.content, name=file.name, mimetype=file.media_type))
    return files
