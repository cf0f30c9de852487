"""An existing Ray cluster is joined; one that is not there is a clear error."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_servers import closed_port
from daemon_process import json_lines, watchword, write_config

SAMPLE = Path(__file__).resolve().parents[2] / "daemon" / "sample" / "sample.mp4"
WORK = {
    "cameras": {"good": {"url": str(SAMPLE), "audio": False}},
    "events": {"cat": {"describe": "a cat", "modalities": ["vision"]}},
    "runtime": "ray",
}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A cluster of one node, started as an operator would."""
    ray = Path(sys.executable).parent / "ray"
    address = f"127.0.0.1:{closed_port()}"
    options = ("--num-cpus=4", "--include-dashboard=false", "--disable-usage-stats", "--node-ip-address=127.0.0.1")
    log = tmp_path / "ray.log"
    with log.open("w") as out:
        command = [str(ray), "start", "--head", "--block", f"--port={address.split(':')[1]}", *options]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while "Ray runtime started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.ray
def test_an_existing_cluster_is_joined_and_left_running(cluster: str, tmp_path: Path) -> None:
    config = write_config(tmp_path, **WORK, ray={"address": cluster})
    for _ in range(2):
        done = watchword("run", config, "--once", "--json")
        assert done.returncode == 0, done.stderr
        assert [e["event"] for e in json_lines(done.stdout)] == ["cat", "cat"]


@pytest.mark.ray
def test_a_cluster_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    config = write_config(tmp_path, **WORK, ray={"address": f"127.0.0.1:{closed_port()}"})
    done = watchword("run", config, "--once")
    assert done.returncode == 4
    assert "error [ray_unreachable]" in done.stderr
    assert "Traceback" not in done.stderr
