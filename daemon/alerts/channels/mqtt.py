"""MQTT: the state of every event of every camera, and a message for each event, confirmed by the broker (QoS 1).

Topics below the prefix: ``status`` (online, offline), ``CAMERA/EVENT/state`` (ON, OFF), ``CAMERA/EVENT/attributes``
(JSON), ``CAMERA/EVENT/snapshot`` (JPEG), all retained; ``alerts``, JSON as for webhooks, not retained.
"""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from daemon.alerts.channels import home_assistant
from daemon.alerts.channels.base import TargetRefused, TargetSilent, TargetUnreachable
from daemon.alerts.channels.webhook import document
from daemon.alerts.notice import Notice, Subject
from daemon.alerts.store.database import AlertStoreError
from daemon.alerts.store.retained import RetainedTopics
from workers.redaction import RedactedUrl

CONNECT_S, ANSWER_S, CLOSE_S = 5.0, 10.0, 1.0
KEEPALIVE_S = 30
PORTS = {"mqtt": 1883, "mqtts": 8883}
NOT_AUTHORISED = frozenset({134, 135})  # reason codes of MQTT 5, to which paho maps those of MQTT 3

Part = tuple[str, str | bytes, bool]
"""Topic, payload, and whether the broker retains it."""

Announce = Callable[[], Iterable[tuple[str, dict[str, Any]]]]
"""Topics and payloads to be retained as soon as the broker or Home Assistant has started."""


class MqttChannel:
    """The ``Channel`` to a broker. A connection is kept, and made again by a thread of its own.

    ``announce`` and ``retained`` None: nobody is told whether this client is here, as one that sends a test. ``name``
    tells the clients of a broker apart.
    """

    def __init__(
        self,
        url: RedactedUrl,
        prefix: str,
        name: str,
        announce: Announce | None = None,
        retained: RetainedTopics | None = None,
    ) -> None:
        self._url, self._prefix, self._name = url, prefix, name
        self._announce, self._retained = announce, retained
        self._connected, self._refused = threading.Event(), ""
        self._client: paho.Client | None = None

    def send(self, notice: Notice) -> None:
        """Publish a message; return when the broker has confirmed it."""
        parts = [one for subject in notice.subjects for one in self._states(notice, subject)]
        if self._retained is not None:
            shows = {self._base(subject): subject.event.id for subject in notice.subjects}
            self._retained.note(
                (f"{base}/{name}", of) for base, of in shows.items() for name in ("attributes", "snapshot")
            )
        if notice.kind != "end":
            parts.append((f"{self._prefix}/alerts", json.dumps(document(notice), ensure_ascii=False), False))
        self._publish(parts)

    def idle(self) -> None:
        """Make the broker forget what it keeps of events that were forgotten here."""
        topics = self._retained.erased() if self._retained else []
        if topics and self._retained:
            self._publish([(topic, b"", True) for topic in topics])
            self._retained.forget(topics)

    def close(self) -> None:
        """Say that nobody is here any more, and disconnect."""
        if self._client is not None and self._connected.is_set() and self._announce is not None:
            with suppress(RuntimeError, ValueError):
                said = self._client.publish(f"{self._prefix}/status", home_assistant.OFFLINE, 1, True)
                said.wait_for_publish(CLOSE_S)
        self._disconnect()

    def start(self) -> paho.Client:
        """Begin to connect, so that what is retained is announced before the first event; return the client."""
        if self._client is None:
            parts = urlsplit(self._url.reveal())
            self._client = self._build(parts)
            self._client.connect_async(parts.hostname or "", parts.port or PORTS[parts.scheme], KEEPALIVE_S)
            self._client.loop_start()
        return self._client

    def _build(self, parts: SplitResult) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self._name)
        if parts.username is not None:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            client.tls_set_context(ssl.create_default_context())
        if self._announce is not None:
            client.will_set(f"{self._prefix}/status", home_assistant.OFFLINE, qos=1, retain=True)
        client.reconnect_delay_set(1, 30)
        client.connect_timeout = CONNECT_S
        client.on_connect, client.on_disconnect, client.on_message = self._greet, self._lost, self._heard
        return client

    def _publish(self, parts: Sequence[Part]) -> None:
        """Publish all, and wait until the broker has confirmed each; raise ``DeliveryFailed``."""
        client = self.start()
        if not self._connected.wait(CONNECT_S):
            if self._refused:
                raise TargetRefused(f"{self._url}: {self._refused}")
            raise TargetUnreachable(f"no connection to {self._url}")
        end = time.monotonic() + ANSWER_S
        sent = [client.publish(topic, payload, 1, retain) for topic, payload, retain in parts]
        for message in sent:
            with suppress(RuntimeError, ValueError):  # the connection was lost meanwhile
                message.wait_for_publish(max(0.0, end - time.monotonic()))
            if not message.is_published():
                self._disconnect()  # or its queue would be sent later, besides the next attempt
                raise TargetSilent(f"no answer from {self._url}")

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()
        self._connected.clear()

    def _states(self, notice: Notice, subject: Subject) -> list[Part]:
        """Return what is retained of one event."""
        base = self._base(subject)
        state = home_assistant.ON if subject.on else home_assistant.OFF
        picture = subject.picture
        found: list[Part] = [(f"{base}/snapshot", picture.content, True)] if picture else []
        attributes = json.dumps(_attributes(subject), ensure_ascii=False)
        return [*found, (f"{base}/attributes", attributes, True), (f"{base}/state", state, True)]

    def _base(self, subject: Subject) -> str:
        return f"{self._prefix}/{subject.event.camera}/{subject.event.event}"

    def _greet(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        """Publish what retains, as soon as a connection is made; called by paho's thread."""
        if reason.is_failure:
            denied = reason.value in NOT_AUTHORISED
            self._refused = "the broker does not accept user and password" if denied else "the broker refuses"
            return
        self._refused = ""
        if self._announce is not None:
            client.subscribe(home_assistant.BIRTH_TOPIC, 1)
            self._tell(client)
        self._connected.set()

    def _tell(self, client: paho.Client) -> None:
        client.publish(f"{self._prefix}/status", home_assistant.ONLINE, 1, True)
        announced = dict(self._announce()) if self._announce else {}
        for topic, payload in announced.items():
            client.publish(topic, json.dumps(payload, ensure_ascii=False), 1, True)
        with suppress(AlertStoreError):  # nothing is lost: it is looked up at the next connection
            for topic in self._retained.announce(announced) if self._retained else ():
                client.publish(topic, b"", 1, True)

    def _heard(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if message.payload == home_assistant.ONLINE.encode() and not message.retain:
            self._tell(client)

    def _lost(self, _client: Any, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        self._connected.clear()


def _attributes(subject: Subject) -> dict[str, Any]:
    """Return what Home Assistant shows beside the state."""
    event, known = subject.event, subject.event.verification
    return {
        "id": event.id,
        "camera": event.camera,
        "event": event.event,
        "description": list(event.description),
        "start": event.start_time,
        "end": event.end_time if event.type == "end" else None,
        "score": event.score,
        "priority": event.priority,
        "words": [word.text for word in event.evidence.words],
        "verdict": known.verdict if known else None,
        "verdict_why": known.why if known else None,
        "objects": sorted({seen.name for seen in event.evidence.objects}),
        "url": subject.url,
    }
