"""The clients that a configuration asks for: one for each server, which cameras share."""

import functools
import hashlib
from dataclasses import dataclass

from daemon.config import Config
from daemon.config.sections.cameras import UPLOADS
from daemon.config.sections.verifier import VlmSettings
from daemon.vlm.budget import CallBudget
from daemon.vlm.client import VlmClient
from daemon.vlm.types import VlmSnapshot
from workers.state_layout import StateLayout


@dataclass(frozen=True, slots=True)
class VlmClients:
    """Clients by camera. ``default`` is that of uploads and of files."""

    default: VlmClient | None
    own: dict[str, VlmClient | None]

    def of(self, camera: str) -> VlmClient | None:
        """Return the client of a camera; None: nothing of it may be sent. So of a camera that is configured no more."""
        return self.default if camera == UPLOADS else self.own.get(camera)

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


_budget = functools.cache(CallBudget)  # another configuration grants no further calls in the same minute


def clients_of(config: Config, before: VlmClients | None = None) -> VlmClients:
    """Return the clients of a configuration; nothing is sent yet. Those of ``before`` with the same settings stay."""
    folder = StateLayout(config.state_dir).calls
    made = {client.settings: client for client in before.all} if before else {}

    def client(settings: VlmSettings | None) -> VlmClient | None:
        """Return the client of these settings, one for all cameras that share them."""
        if settings is None:
            return None
        if settings not in made:
            made[settings] = VlmClient(settings, _budget(folder / f"{server_id(settings)}.json"))
        return made[settings]

    own = {name: client(config.verifier_of(name)) for name in config.cameras}
    return VlmClients(client(config.models.verifier), own)


def server_id(settings: VlmSettings) -> str:
    """Return a name of a server and its model for files, from which neither can be read."""
    return hashlib.sha256(f"{settings.url.reveal()} {settings.model}".encode()).hexdigest()[:16]
