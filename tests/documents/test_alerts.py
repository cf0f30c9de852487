"""Recipes for alerts as they are written: a phone, a receiver of webhooks, Home Assistant over a real broker."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.documents.documents import documented, run_commands
from tests.support.programs.daemon import ALWAYS, ENDLESS, running, write_config
from tests.support.programs.processes import process
from tests.support.serving.receivers import Receiver, receiver
from tests.support.serving.servers import free_port, wait_for_port

pytestmark = [pytest.mark.process, pytest.mark.realtime]

SECRETS = {"NTFY_TOPIC": "watchword-7h3kq9x2", "HOOK_SECRET": "a secret of the tests", "MQTT_PASSWORD": "broker's word"}


def until(condition: Callable[[], Any], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


@dataclass
class House:
    """A running daemon, and what receives its alerts."""

    folder: Path
    ntfy: Receiver
    hook: Path  # what the receiver of webhooks prints
    broker: int

    def run(self, script: str) -> str:
        done = run_commands(script, self.folder, SECRETS)
        assert done.returncode == 0, done.stderr
        return done.stdout


def recipe(start: str, nth: int) -> dict[str, Any]:
    """Return the targets of a recipe; all of them begin alike, so by number."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    found = re.findall(r"^ *```yaml\n(.*?)^ *```$", page, re.M | re.S)
    document = yaml.safe_load(found[nth])
    targets: dict[str, Any] = document["alerts"]["targets"]
    assert start in targets
    return targets


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Mosquitto with the user ``watchword``."""
    if shutil.which("mosquitto") is None or shutil.which("mosquitto_sub") is None:
        pytest.skip("install the Debian packages mosquitto and mosquitto-clients")
    folder, port = tmp_path_factory.mktemp("broker"), free_port()
    passwords = folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "watchword", SECRETS["MQTT_PASSWORD"]], check=True)
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\npassword_file {passwords}\nuser root\n")
    with process("mosquitto", "-c", str(config)):
        wait_for_port(port)
        yield port


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, broker: int) -> Iterator[House]:
    folder, port = tmp_path_factory.mktemp("house"), free_port()
    (folder / "hook.py").write_text(documented("docs/alerts.md", "import base64, hashlib"))
    environment = os.environ | SECRETS | {"PORT": str(port)}
    with receiver() as ntfy, (folder / "hook.txt").open("w") as out:
        hook = subprocess.Popen([sys.executable, "hook.py"], cwd=folder, stdout=out, stderr=out, env=environment)
        try:
            wait_for_port(port)
            phone, home = recipe("phone", 0), recipe("home", 1)
            phone["phone"] = phone["phone"].replace("ntfys://ntfy.sh/", ntfy.url.replace("http:", "ntfy:") + "/")
            home["home"]["mqtt"] = home["home"]["mqtt"].replace("homeassistant.local", f"127.0.0.1:{broker}")
            web = {"hook": {"webhook": f"http://127.0.0.1:{port}/", "secret": "{HOOK_SECRET}"}}
            config = write_config(
                folder,
                cameras={"front_door": {"url": ENDLESS}},
                events={"visitor": ALWAYS["something"]},
                alerts={"targets": phone | home | web},
            )
            os.environ.update(SECRETS)
            with running(config, folder):
                yield House(folder, ntfy, folder / "hook.txt", broker)
        finally:
            for name in SECRETS:
                os.environ.pop(name, None)
            hook.kill()
            hook.wait()


def test_a_phone(house: House) -> None:
    until(lambda: any(b"visitor" in one.body or "visitor" in one.path for one in house.ntfy.got))
    count = len(house.ntfy.got)
    house.run(documented("docs/recipes.md", "$ export NTFY_TOPIC="))
    assert len(house.ntfy.got) > count
    assert all(
        SECRETS["NTFY_TOPIC"] in one.path or SECRETS["NTFY_TOPIC"].encode() in one.body for one in house.ntfy.got
    )


def test_the_receiver_of_webhooks_knows_the_signature(house: House) -> None:
    until(lambda: "watchword.alert" in house.hook.read_text())
    (line,) = (line for line in house.hook.read_text().splitlines() if '"watchword.alert"' in line)
    assert json.loads(line)["data"]["alerts"][0]["event"]["event"] == "visitor"


@pytest.mark.long
def test_commands_of_the_page(house: House) -> None:
    until(lambda: house.ntfy.got)
    listed = house.run("watchword alerts list config.yaml --json --target hook")
    identity = json.loads(listed.splitlines()[0])["id"]
    house.run(documented("docs/alerts.md", "$ watchword check config.yaml").replace("3f0c", identity))


def test_home_assistant(house: House) -> None:
    reader = ["-h", "127.0.0.1", "-p", str(house.broker), "-u", "watchword", "-P", SECRETS["MQTT_PASSWORD"], "-C", "1"]

    def retained(topic: str) -> str:
        command = ["mosquitto_sub", *reader, "-W", "60", "-t", topic]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    sensor = json.loads(retained("homeassistant/binary_sensor/+/config"))
    assert f"{sensor['device']['name']} {sensor['name']}".lower().replace(" ", "_") == "watchword_front_door_visitor"
    assert retained(sensor["availability_topic"]) == "online"
    until(lambda: retained(sensor["state_topic"]) == sensor["payload_on"])
    assert json.loads(retained(sensor["json_attributes_topic"]))["event"] == "visitor"
    script = documented("docs/recipes.md", "$ mosquitto_sub").replace("homeassistant.local", "127.0.0.1").rstrip()
    assert house.run(f"{script} -p {house.broker} -C 1") == "watchword/front_door/visitor/state ON\n"
