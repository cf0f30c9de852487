"""Services of the daemon: Redis, models, speech, logs, Ray."""

from dataclasses import replace
from typing import Literal

from pydantic import Field

from daemon.config.base import Section
from daemon.config.sections.verifier import VlmSettings
from daemon.config.types import AnyPath, ModelName, RedisUrl
from workers.audio.whisper import SpeechOptions
from workers.models.options import DType, EncoderOptions, Quantize
from workers.models.profiles import PROFILES, AlignerName, ProfileName
from workers.redaction import RedactedUrl
from workers.services.aligner_options import AlignerOptions


class RedisConfig(Section):
    """The Redis server to which events are published."""

    url: RedisUrl = Field(
        default_factory=lambda: RedactedUrl("embedded"),
        description='"embedded": the daemon starts a server; or redis[s]://user:pass@host:6379/0.',
        json_schema_extra={"default": "embedded"},
    )
    stream: str = Field(
        default="watchword:events",
        min_length=1,
        max_length=200,
        pattern=r"^[^\s\x00-\x1f]+$",
        description="Key of the Redis stream.",
    )
    maxlen: int = Field(
        default=100_000, ge=100, le=100_000_000, description="Approximate number of entries that the stream keeps."
    )
    cluster: bool = Field(
        default=False, description="The server is part of a Redis Cluster. All keys then share one hash tag."
    )


class ModelsConfig(Section):
    """The encoder, the aligner, and a verifier."""

    profile: ProfileName = Field(
        default="lite",
        description="; ".join(f"{profile.name}: {profile.summary}" for profile in PROFILES.values()) + ".",
    )
    model: ModelName | None = Field(
        default=None,
        description="Model name of the profile's library, hub id, or local folder. Default: the profile's model.",
    )
    revision: str | None = Field(
        default=None, min_length=1, max_length=200, description="Revision of a hub model: branch, tag or commit."
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$",
        description="auto, cpu, cuda, cuda:1 or mps.",
    )
    dtype: DType = Field(default="auto", description="Numeric precision; auto: half precision on a GPU.")
    batch_size: int = Field(default=64, ge=1, le=1024, description="Largest number of frames in one forward pass.")
    quantize: Quantize = Field(
        default="none",
        description="int8: the linear layers of the trained aligner and of lite's text model use 8 bits, on a CPU.",
    )

    aligner: AlignerName | None = Field(
        default=None,
        description="cross_attention: a trained network; similarity: calibrated cosine similarity. "
        "Default: cross_attention; for the profile colour, similarity.",
    )
    checkpoint: AnyPath | None = Field(
        default=None,
        description="Weights of the aligner, from `watchword train`. Default: the weights that ship with Watchword.",
    )
    verifier: VlmSettings | None = Field(
        default=None,
        description="A vision-language model for second opinions. Default: none, and nothing is sent.",
    )

    def encoder_options(self) -> EncoderOptions:
        """Return the options of the encoder."""
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
        """Return the options of the aligner."""
        return AlignerOptions(self.aligner or PROFILES[self.profile].aligner, self.checkpoint, self.quantize)


class SpeechConfig(Section):
    """Speech recognition."""

    enabled: bool | None = Field(
        default=None,
        description="Transcribe speech and detect sound events. Default: yes; for the profile colour, no.",
    )
    model: ModelName | None = Field(
        default=None,
        description="A model that faster-whisper has downloaded, or a folder. Default: packaged (tiny.en).",
    )
    language: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2,3}$",
        description="Spoken language, for example en or zh. Default: detected.",
    )
    min_confidence: float = Field(
        default=0.4, ge=0, le=1, description="Utterances with a lower confidence are ignored."
    )

    def options(self, profile: ProfileName) -> SpeechOptions | None:
        """Return the options of the recogniser; None if speech is disabled."""
        if not (PROFILES[profile].hears if self.enabled is None else self.enabled):
            return None
        options = SpeechOptions(language=self.language, min_confidence=self.min_confidence)
        return replace(options, model=self.model) if self.model else options


class LogsConfig(Section):
    """Logs, which go to stderr."""

    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, otherwise JSON."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is logged."
    )


class RayConfig(Section):
    """The Ray cluster."""

    address: str | None = Field(
        default=None,
        min_length=1,
        max_length=300,
        description="HOST:PORT of an existing cluster to join, of which this machine is a node; auto: the cluster of "
        "the node that runs here. Default: a cluster is started on this machine.",
    )
