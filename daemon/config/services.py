"""How the daemon runs: store, models, logs, Ray."""

from dataclasses import replace
from typing import Literal

from pydantic import Field

from daemon.config.base import Section
from daemon.config.types import AnyPath, ModelName, RedisUrl
from workers.aligners import AlignerName, AlignerOptions
from workers.encoders.options import DType, EncoderOptions, Profile, Quantize
from workers.redaction import RedactedUrl
from workers.speech import SpeechOptions


class RedisConfig(Section):
    """Where events go."""

    url: RedisUrl = Field(
        default_factory=lambda: RedactedUrl("embedded"),
        description='"embedded" starts a server of our own; or redis[s]://user:pass@host:6379/0.',
        json_schema_extra={"default": "embedded"},
    )
    stream: str = Field(
        default="watchword:events",
        min_length=1,
        max_length=200,
        pattern=r"^[^\s\x00-\x1f]+$",
        description="The stream's key.",
    )
    maxlen: int = Field(default=100_000, ge=100, le=100_000_000, description="Events to keep in the stream, about.")
    cluster: bool = Field(
        default=False, description="The server is part of a Redis Cluster: keys then share one hash tag."
    )


class ModelsConfig(Section):
    """Which encoder, and how to run it."""

    profile: Profile = Field(
        default="lite",
        description="lite works offline; open_clip and transformers know actions; own: what `watchword train` made.",
    )
    model: ModelName | None = Field(
        default=None,
        description="A name of the profile's library, a hub id or a local folder. Default: the profile's.",
    )
    revision: str | None = Field(
        default=None, min_length=1, max_length=200, description="Which revision of a hub model."
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$",
        description="auto, cpu, cuda, cuda:1, mps.",
    )
    dtype: DType = Field(default="auto", description="auto: half precision on a GPU.")
    batch_size: int = Field(default=64, ge=1, le=1024, description="Frames in one forward pass at most.")
    quantize: Quantize = Field(
        default="none",
        description="int8: linear layers of the trained aligner and of lite's text model in eight bits, on a CPU.",
    )

    aligner: AlignerName = Field(
        default="cross_attention",
        description="How descriptions find their moment: a trained network, or tuned cosines (similarity).",
    )
    checkpoint: AnyPath | None = Field(
        default=None, description="Weights of the aligner, from `watchword train`. Default: those that came with us."
    )

    def encoder_options(self) -> EncoderOptions:
        """Return the choice as the encoders take it."""
        return EncoderOptions(
            self.profile,
            self.model,
            self.revision,
            self.device,
            self.dtype,
            batch_size=self.batch_size,
            quantize=self.quantize,
        )

    def aligner_options(self) -> AlignerOptions:
        """Return the choice as the aligners take it."""
        return AlignerOptions(self.aligner, self.checkpoint, self.quantize)


class SpeechConfig(Section):
    """How speech becomes words."""

    model: ModelName | None = Field(
        default=None,
        description="A model that faster-whisper has fetched, or a folder. Default: packaged (tiny.en).",
    )
    language: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2,3}$",
        description="What is spoken, for example en or zh. Default: detected.",
    )
    min_confidence: float = Field(default=0.4, ge=0, le=1, description="Utterances less certain than this are ignored.")

    def options(self) -> SpeechOptions:
        """Return the choice as the recogniser takes it."""
        options = SpeechOptions(language=self.language, min_confidence=self.min_confidence)
        return replace(options, model=self.model) if self.model else options


class LogsConfig(Section):
    """What is written to standard error."""

    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, else JSON."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important line to write."
    )


class RayConfig(Section):
    """The Ray cluster."""

    address: str | None = Field(
        default=None,
        min_length=1,
        max_length=300,
        description="An existing cluster to join. Default: start one on this machine.",
    )
