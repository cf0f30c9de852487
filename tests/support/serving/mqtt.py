"""A real MQTT broker (Debian's mosquitto), and a client that notes what it hears."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.clocks import wait_until
from tests.support.serving.servers import free_port, wait_for_port

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="needs the Debian package mosquitto")


class Broker:
    """A broker that can be killed and started again on its port; it keeps what is retained."""

    def __init__(self, folder: Path, user: str = "", password: str = "") -> None:
        self.port, self._folder = free_port(), folder
        self.user, self.password = user, password
        folder.mkdir()
        settings = [f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {folder}/"]
        settings += ["autosave_interval 1", "autosave_on_changes true", "user root"]
        if user:
            subprocess.run(["mosquitto_passwd", "-b", "-c", str(folder / "users"), user, password], check=True)
            settings += [f"password_file {folder / 'users'}"]
        else:
            settings += ["allow_anonymous true"]
        (folder / "mosquitto.conf").write_text("\n".join(settings) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        user = f"{self.user}:{self.password}@" if self.user else ""
        return f"mqtt://{user}127.0.0.1:{self.port}"

    def start(self) -> "Broker":
        assert MOSQUITTO
        command = [MOSQUITTO, "-c", str(self._folder / "mosquitto.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.port)
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Listener:
    """A client that hears all topics."""

    def __init__(self, broker: Broker) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self._subscribed = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        if broker.user:
            self.client.username_pw_set(broker.user, broker.password)
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = lambda _c, _d, m: self.heard.append((m.topic, bytes(m.payload), m.retain))
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self._subscribed.wait(20)

    def of(self, topic: str) -> list[bytes]:
        """Return the payloads of a topic, in order."""
        return [payload for heard, payload, _ in self.heard if heard == topic]

    def last(self, topic: str) -> Any:
        return json.loads(self.of(topic)[-1])

    def wait(self, topic: str, payload: bytes | None = None, count: int = 1, timeout_s: float = 40) -> None:
        """Wait until a payload, or any, was heard so often in a topic."""
        wait_until(lambda: sum(payload in (None, one) for one in self.of(topic)) >= count, timeout_s)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def broker(folder: Path, user: str = "", password: str = "") -> Iterator[Broker]:
    """Yield a running broker."""
    server = Broker(folder, user, password).start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def listening(server: Broker) -> Iterator[Listener]:
    """Yield a client that hears all that is published."""
    listener = Listener(server)
    try:
        yield listener
    finally:
        listener.close()
