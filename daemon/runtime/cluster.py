"""Checks before a Ray cluster is joined: whether it is there, and whether this machine is one of its nodes."""

import socket

import psutil

from workers.errors import ClusterUnreachable

UNREACHABLE_HINT = (
    "check ray.address, that the cluster runs (`ray status`), and that its token is in ~/.ray/auth_token; "
    "for a cluster without tokens set RAY_AUTH_MODE=disabled"
)
NO_NODE_HINT = (
    "streams may run on other machines of a cluster, but state and events stay where the daemon runs: "
    "start a node here with `ray start --address={address}`"
)
CONNECT_TIMEOUT_S = 5.0


def check_reachable(address: str) -> None:
    """Raise ``ClusterUnreachable`` where nobody listens, and where this machine is not a node of that cluster.

    Ray itself would try for minutes, or end this process. ``auto`` is left to Ray.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        text = f"no Ray cluster at {address} ({error.strerror or error})"
        raise ClusterUnreachable(text, UNREACHABLE_HINT) from error
    if not _is_node(port):
        text = f"this machine is not a node of the Ray cluster at {address}"
        raise ClusterUnreachable(text, NO_NODE_HINT.format(address=address))


def _is_node(port: str) -> bool:
    """Return whether this machine runs a node of the cluster whose head listens on ``port``."""
    own = {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "raylet":
            flags = dict(word.removeprefix("--").split("=", 1) for word in process.info["cmdline"] or () if "=" in word)
            if flags.get("node_ip_address") in own and flags.get("gcs-address", "").endswith(f":{port}"):
                return True
    return False
