"""What a configuration lets verifiers be sent: shown by ``watchword check``, and logged at every start."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from daemon.config import Config
from daemon.config.sections.cameras import UPLOADS
from daemon.config.sections.verifier import VlmSettings


@dataclass(frozen=True, slots=True)
class Sent:
    """What one verifier may be sent: frames of the ``verified`` events by camera, and what is asked of ``cameras``.

    With ``verifier.captions`` also frames and words of all closed events of these, and of uploads.
    """

    verifier: VlmSettings
    cameras: tuple[str, ...]
    verified: Mapping[str, tuple[str, ...]]

    @property
    def document(self) -> dict[str, object]:
        """Return plain JSON, without secrets."""
        verifier = {"url": str(self.verifier.url), "model": self.verifier.model, "key": self.verifier.key is not None}
        return (
            verifier
            | {"frames": self.verifier.frames, "cameras": self.cameras, "verified": dict(self.verified)}
            | {"captions": self.verifier.captions}
        )

    def in_words(self) -> str:
        """Return one sentence for each occasion on which something is sent."""
        verified = "; ".join(f"{camera}: {', '.join(events)}" for camera, events in self.verified.items())
        frames = f"up to {self.verifier.frames} frames of each event with `verify` ({verified or 'none'})"
        captions = f"frames and words of all closed events of {', '.join(self.cameras)}, for captions; "
        described = captions if self.verifier.captions else ""
        return f"{frames}; {described}when somebody asks a question, frames and words of {', '.join(self.cameras)}"


def what_is_sent(config: Config) -> Iterator[Sent]:
    """Yield what each verifier may be sent."""
    events = {name: config.event_specs(name) for name in config.cameras}
    events |= {UPLOADS: config.event_specs()} if config.uploads else {}
    for verifier in config.verifiers():
        cameras = tuple(name for name in events if config.verifier_of(name) == verifier)
        verified = {name: tuple(spec.name for spec in events[name] if spec.verify) for name in cameras}
        yield Sent(verifier, cameras, {name: specs for name, specs in verified.items() if specs})
