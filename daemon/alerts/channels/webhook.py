"""Webhooks: JSON by POST, signed as Standard Webhooks defines it."""

import base64
import json
import time
from importlib import metadata
from typing import Any

import httpx

from daemon.alerts.attachments import Picture
from daemon.alerts.channels.base import MESSAGE_STATUS, DeliveryFailed, TargetRefused, TargetSilent, TargetUnreachable
from daemon.alerts.channels.signing import sign
from daemon.alerts.notice import Notice, Subject
from workers.backoff import retry_after_s
from workers.clock import Clock
from workers.events.timestamps import iso
from workers.redaction import RedactedUrl

CONNECT_S, ANSWER_S = 5.0, 15.0
MAX_WAIT_S = 3600.0  # that a server may ask for
TYPES = {"alert": "alert", "digest": "alert.digest", "clip": "alert.clip", "verdict": "alert.verdict", "test": "test"}


class WebhookChannel:
    """The ``Channel`` to an HTTP server."""

    def __init__(self, url: RedactedUrl, secret: str | None, clock: Clock) -> None:
        self._url, self._secret, self._clock = url, secret, clock
        version = metadata.version("watchword")
        timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        self._client = httpx.Client(timeout=timeout, headers={"user-agent": f"watchword/{version}"}, trust_env=True)

    def send(self, notice: Notice) -> None:
        """Post a message; any status of 2xx confirms it."""
        body = json.dumps(document(notice), ensure_ascii=False, separators=(",", ":")).encode()
        now = int(self._clock.wall())
        headers = {"content-type": "application/json", "webhook-id": notice.id, "webhook-timestamp": str(now)}
        if self._secret is not None:
            headers["webhook-signature"] = sign(self._secret, notice.id, now, body)
        try:
            request = self._client.build_request("POST", self._url.reveal(), content=body, headers=headers)
            response = self._client.send(request, stream=True)  # nobody needs the body of the answer
            response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol):
            raise TargetUnreachable(f"no connection to {self._url}") from None
        except httpx.HTTPError:
            raise TargetSilent(f"no answer from {self._url}") from None
        except (httpx.InvalidURL, OSError, ValueError):
            raise TargetUnreachable(f"{self._url} cannot be used") from None
        if not response.is_success:
            raise self._refused(response)

    def idle(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _refused(self, response: httpx.Response) -> DeliveryFailed:
        error = TargetRefused(f"{self._url} answered with status {response.status_code}")
        error.wait_s = min(retry_after_s(response.headers.get("retry-after", ""), self._clock.wall()), MAX_WAIT_S)
        error.blames_target = response.status_code not in MESSAGE_STATUS
        return error


def document(notice: Notice) -> dict[str, Any]:
    """Return the body of a webhook."""
    return {
        "type": f"watchword.{TYPES.get(notice.kind, notice.kind)}",
        "timestamp": iso(notice.created or time.time()),
        "data": {
            "id": notice.id,
            "possible_duplicate": notice.possible_duplicate,
            "title": notice.title,
            "text": notice.text,
            "priority": notice.priority,
            "alerts": [_subject(subject) for subject in notice.subjects],
            "attachments": [_file(file) for file in notice.pictures if file.media_type.startswith("image/")],
        },
    }


def _subject(subject: Subject) -> dict[str, Any]:
    links = {
        "event": subject.url,
        "snapshot": subject.snapshot_url,
        "clip": subject.clip_url,
        "mute": subject.mute_url,
        "wrong": subject.wrong_url,
        "right": subject.right_url,
    }
    return {"event": subject.event.to_document(), "accepted_at": iso(subject.at), "links": links}


def _file(file: Picture) -> dict[str, str]:
    content = base64.b64encode(file.content).decode()
    return {"name": file.name, "content_type": file.media_type, "base64": content}
