"""The clients that a configuration asks for: one for each server, which cameras share."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from daemon.config import Config
from daemon.config.sections.verifier import VlmSettings
from daemon.vlm.budget import CallBudget
from daemon.vlm.client import VlmClient
from daemon.vlm.types import VlmSnapshot
from workers.state_layout import StateLayout


@dataclass(frozen=True, slots=True)
class VlmClients:
    """Clients by camera. ``default`` is that of cameras without a setting of their own, and of uploads."""

    default: VlmClient | None
    own: dict[str, VlmClient | None]

    def of(self, camera: str) -> VlmClient | None:
        """Return the client of a camera; None: nothing of it may be sent."""
        return self.own.get(camera, self.default)

    @property
    def all(self) -> tuple[VlmClient, ...]:
        """Return each client once."""
        return tuple(dict.fromkeys(c for c in (self.default, *self.own.values()) if c is not None))

    def snapshots(self) -> tuple[VlmSnapshot, ...]:
        """Return what each client did."""
        return tuple(client.snapshot() for client in self.all)

    def close(self) -> None:
        """End all requests."""
        for client in self.all:
            client.close()


def clients_of(config: Config, before: VlmClients | None = None) -> VlmClients:
    """Return the clients of a configuration; nothing is sent yet. Those of ``before`` with the same settings stay."""
    folder = StateLayout(config.state_dir).calls
    budgets: dict[Path, CallBudget] = {}
    made = {client.settings: client for client in before.all} if before else {}

    def client(settings: VlmSettings | None) -> VlmClient | None:
        if settings is None:
            return None
        if settings not in made:
            path = folder / f"{server_id(settings)}.json"
            made[settings] = VlmClient(settings, budgets.setdefault(path, CallBudget(path)))
        return made[settings]

    own = {name: client(config.verifier_of(name)) for name, camera in config.cameras.items() if camera.verifier}
    return VlmClients(client(config.models.verifier), own)


def server_id(settings: VlmSettings) -> str:
    """Return a name of a server and its model for files, from which neither can be read."""
    return hashlib.sha256(f"{settings.url.reveal()} {settings.model}".encode()).hexdigest()[:16]
