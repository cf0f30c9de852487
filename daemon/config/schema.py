"""The whole configuration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from daemon.config.base import Section
from daemon.config.cameras import CameraConfig, UploadsConfig
from daemon.config.events import EventConfig, resolve
from daemon.config.http import HttpConfig
from daemon.config.limits import LimitsConfig
from daemon.config.privacy import PrivacyConfig, RetentionConfig
from daemon.config.services import LogsConfig, ModelsConfig, RayConfig, RedisConfig, SpeechConfig
from daemon.config.types import AnyPath, Name, url_secrets
from workers.types import CameraSpec, EventSpec

if TYPE_CHECKING:
    from daemon.config.errors import Problem


class Config(Section):
    """Everything ``config.yaml`` says. Printing and dumping it shows no secrets."""

    redis: RedisConfig = Field(default=RedisConfig(), description="Where events go.")
    models: ModelsConfig = Field(default=ModelsConfig(), description="Which encoder, and how to run it.")
    speech: SpeechConfig = Field(default=SpeechConfig(), description="How speech becomes words.")
    cameras: dict[Name, CameraConfig] = Field(default={}, description="What to watch, by name.")
    uploads: UploadsConfig | None = Field(default=None, description="A folder whose files are tagged as they arrive.")
    events: Annotated[dict[Name, EventConfig], Field(min_length=1, max_length=1000)] = Field(
        description="What to look and listen for, by name."
    )
    privacy: PrivacyConfig = Field(default=PrivacyConfig(), description="What is hidden.")
    limits: LimitsConfig = Field(default=LimitsConfig(), description="How much a file or a stream may ask for.")
    retention: RetentionConfig = Field(default=RetentionConfig(), description="How long each kind of data is kept.")
    http: HttpConfig = Field(default=HttpConfig(), description="The port of health and metrics.")
    logs: LogsConfig = Field(default=LogsConfig(), description="What is written to standard error.")
    runtime: Literal["ray", "local"] = Field(
        default="ray", description="local runs everything as threads of one process."
    )
    ray: RayConfig = Field(default=RayConfig(), description="The Ray cluster.")
    state_dir: AnyPath = Field(
        default=Path(".watchword"),
        validate_default=True,
        description="Where spool, evidence and embedded server keep their files.",
    )

    _warnings: "tuple[Problem, ...]" = PrivateAttr(())
    _secrets: tuple[str, ...] = PrivateAttr(())

    def model_post_init(self, context: Any, /) -> None:
        """Take over what reading the file found beside the values."""
        given = context or {}
        self._warnings = tuple(given.get("warnings", ()))
        self._secrets = tuple(given.get("secrets", ()))

    @property
    def warnings(self) -> "tuple[Problem, ...]":
        """What is allowed but surely not meant."""
        return self._warnings

    def secrets(self) -> frozenset[str]:
        """Return every text that must never be printed, for the logs' redaction."""
        urls = [self.redis.url, *(camera.url for camera in self.cameras.values())]
        return frozenset([*self._secrets, *self.http.secrets(), *(s for url in urls for s in url_secrets(url))])

    @property
    def spreads(self) -> bool:
        """Whether streams may run on other machines, with a ``state_dir`` there."""
        return self.runtime == "ray" and self.ray.address is not None

    def camera_specs(self) -> tuple[CameraSpec, ...]:
        """Return all cameras in the order of the file."""
        known, blur_faces = tuple(self.events), self.privacy.blur_faces
        return tuple(camera.spec(name, known, blur_faces) for name, camera in self.cameras.items())

    def event_specs(self, camera: str | None = None) -> tuple[EventSpec, ...]:
        """Return the events of a camera with its overrides; None: every event as defined (uploads)."""
        if camera is None:
            return tuple(resolve(name, event, None) for name, event in self.events.items())
        watched = self.cameras[camera]
        names = watched.event_names(tuple(self.events))
        return tuple(resolve(name, self.events[name], watched.override(name)) for name in names)
