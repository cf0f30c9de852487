"""The whole configuration."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from daemon.config.base import Section
from daemon.config.sections.alerts import AlertsConfig
from daemon.config.sections.cameras import UPLOADS, CameraConfig, UploadsConfig
from daemon.config.sections.events import AnyEvent, EventConfig, RuleOverTime, resolve
from daemon.config.sections.evidence import EvidenceConfig
from daemon.config.sections.http import HttpConfig
from daemon.config.sections.index import IndexConfig
from daemon.config.sections.limits import LimitsConfig
from daemon.config.sections.privacy import PrivacyConfig, RetentionConfig
from daemon.config.sections.services import LogsConfig, ModelsConfig, RayConfig, RedisConfig, SpeechConfig
from daemon.config.sections.verifier import VlmSettings
from daemon.config.types import AnyPath, Name, url_secrets
from workers.events.folder import EvidenceFolder
from workers.redaction import RedactedUrl
from workers.state_layout import StateLayout
from workers.types import CameraSpec, EventSpec

if TYPE_CHECKING:
    from daemon.config.errors import Problem


class Config(Section):
    """The content of ``config.yaml``. Printing or dumping it shows no secrets."""

    redis: RedisConfig = Field(default=RedisConfig(), description="The Redis server to which events are published.")
    models: ModelsConfig = Field(default=ModelsConfig(), description="The encoder, the aligner, and a verifier.")
    speech: SpeechConfig = Field(default=SpeechConfig(), description="Speech recognition.")
    cameras: dict[Name, CameraConfig] = Field(default={}, description="Cameras and files, by name.")
    uploads: UploadsConfig | None = Field(default=None, description="A folder whose files are analysed as they arrive.")
    events: Annotated[dict[Name, AnyEvent], Field(min_length=1, max_length=1000)] = Field(
        description="Events to detect, by name."
    )
    alerts: AlertsConfig = Field(default=AlertsConfig(), description="Messages about events, and where they go.")
    privacy: PrivacyConfig = Field(default=PrivacyConfig(), description="What is hidden in frames.")
    limits: LimitsConfig = Field(default=LimitsConfig(), description="Limits for files and streams.")
    evidence: EvidenceConfig = Field(default=EvidenceConfig(), description="Snapshots and clips of events.")
    index: IndexConfig = Field(default=IndexConfig(), description="What was seen and heard, for searching.")
    retention: RetentionConfig = Field(default=RetentionConfig(), description="Retention time of each kind of data.")
    http: HttpConfig = Field(default=HttpConfig(), description="The HTTP port: health, metrics, API and page.")
    logs: LogsConfig = Field(default=LogsConfig(), description="Logs, which go to stderr.")
    runtime: Literal["ray", "local"] = Field(
        default="ray", description="ray: actors in several processes; local: threads of one process."
    )
    ray: RayConfig = Field(default=RayConfig(), description="The Ray cluster.")
    state_dir: AnyPath = Field(
        default=Path(".watchword"),
        validate_default=True,
        description="Folder for the event log, evidence, the index, budgets and the embedded server.",
    )

    _warnings: "tuple[Problem, ...]" = PrivateAttr(())
    _secrets: tuple[str, ...] = PrivateAttr(())

    def model_post_init(self, context: Any, /) -> None:
        """Store the warnings and secrets that the loader found."""
        given = context or {}
        self._warnings = tuple(given.get("warnings", ()))
        self._secrets = tuple(given.get("secrets", ()))

    @property
    def warnings(self) -> "tuple[Problem, ...]":
        """Settings that are valid but probably wrong."""
        return self._warnings

    def secrets(self) -> frozenset[str]:
        """Return every text that logs must mask."""
        urls = [self.redis.url, *(camera.url for camera in self.cameras.values())]
        urls += [self.evidence.where] if isinstance(self.evidence.where, RedactedUrl) else []
        return frozenset(
            [
                *self._secrets,
                *self.http.secrets(),
                *self.alerts.secrets(),
                *(s for verifier in self.verifiers() for s in verifier.secrets()),
                *(s for url in urls for s in url_secrets(url)),
            ]
        )

    def verifier_of(self, camera: str) -> VlmSettings | None:
        """Return the verifier of a camera, or of uploads and files; None: nothing of it may be sent."""
        if camera == UPLOADS:
            return self.models.verifier
        own = self.cameras[camera].verifier if camera in self.cameras else "none"
        return self.models.verifier if own is None else own if isinstance(own, VlmSettings) else None

    def verifiers(self) -> tuple[VlmSettings, ...]:
        """Return every verifier that is configured, each once."""
        found = (self.models.verifier, *map(self.verifier_of, self.cameras))
        return tuple(dict.fromkeys(v for v in found if v is not None))

    def evidence_folder(self) -> EvidenceFolder:
        """Return where evidence is kept, on this machine and elsewhere."""
        where, here = self.evidence.where, StateLayout(self.state_dir).evidence
        return EvidenceFolder(here, where) if isinstance(where, RedactedUrl) else EvidenceFolder(where or here)

    def camera_specs(self) -> tuple[CameraSpec, ...]:
        """Return all cameras in the order of the file."""
        blur_faces = self.privacy.blur_faces
        return tuple(
            camera.spec(name, tuple(s.name for s in self.event_specs(name)), blur_faces)
            for name, camera in self.cameras.items()
        )

    @property
    def described(self) -> dict[str, EventConfig]:
        """Return the events that are described."""
        return {name: event for name, event in self.events.items() if isinstance(event, EventConfig)}

    @property
    def over_time(self) -> dict[str, RuleOverTime]:
        """Return the events that are made of others."""
        return {name: event for name, event in self.events.items() if isinstance(event, RuleOverTime)}

    def event_specs(self, camera: str | None = None) -> tuple[EventSpec, ...]:
        """Return the described events of a camera with its overrides; None: all, without overrides (files, uploads).

        An event with a zone is looked for only on cameras that have it, and not in files, which have no zones.
        """
        described = self.described
        enabled = {name: event for name, event in described.items() if event.enabled}
        if camera is None:
            specs = tuple(resolve(name, event, None) for name, event in enabled.items() if event.zone is None)
            return self._verified(UPLOADS, specs)
        watched = self.cameras[camera]
        names = [name for name in watched.event_names(tuple(described)) if name in enabled]
        zones = {name: watched.zones_of(name, described[name].zone) for name in names}
        specs = tuple(
            resolve(name, described[name], watched.override(name), areas)
            for name, areas in zones.items()
            if areas is not None
        )
        return self._verified(camera, specs)

    def _verified(self, camera: str, specs: tuple[EventSpec, ...]) -> tuple[EventSpec, ...]:
        """Return the events, with frames kept if the camera has a verifier, else without `verify`."""
        if self.verifier_of(camera) is None:
            return tuple(replace(spec, verify=None) for spec in specs)
        return tuple(replace(spec, keep_frames=True) for spec in specs)
