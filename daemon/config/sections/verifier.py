"""The vision-language model that gives a second opinion, behind a server of the OpenAI chat protocol."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, SecretStr, Tag, WithJsonSchema

from daemon.config.base import Section
from daemon.config.types import VlmUrl
from daemon.config.units import Timeout

MAX_FRAMES = 8


def _sendable(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not 8 <= len(text) <= 1000 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a key has 8 to 1000 letters, digits and signs; leave it out for a server that wants none")
    return key


Key = Annotated[
    SecretStr,
    AfterValidator(_sendable),
    WithJsonSchema({"type": "string", "minLength": 8, "maxLength": 1000, "format": "password", "writeOnly": True}),
]


Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]


class VlmSettings(Section):
    """A server and its model, what it may be sent, and how often."""

    url: VlmUrl = Field(description="Base URL of the server, such as http://127.0.0.1:11434/v1.")
    model: str = Field(min_length=1, max_length=200, description="Model, by the name that the server has for it.")
    key: Key | None = Field(
        default=None, description='API key, preferably as "{NAME}" from the environment. Default: none is sent.'
    )
    timeout: Timeout = Field(default=20.0, description="Time limit for one answer, with all repetitions.")
    frames: int = Field(default=4, ge=1, le=MAX_FRAMES, description="Most frames of an event that are sent.")
    language: Language = Field(default="en", description="Language of reasons and captions.")
    captions: bool = Field(default=False, description="Have closed events and uploads described.")
    translate: bool = Field(
        default=False, description="With captions: translate what is said in uploads into `language`, too."
    )
    calls_per_minute: int = Field(default=20, ge=1, le=10_000, description="Most requests in any minute.")
    calls_per_day: int = Field(default=2000, ge=1, le=10_000_000, description="Most requests a day (UTC).")
    tokens_per_day: int | None = Field(
        default=None, ge=1, description="After so many tokens nothing more is sent that day (UTC). Default: no limit."
    )

    def secrets(self) -> frozenset[str]:
        """Return every text that logs must mask."""
        return frozenset({*self.url.secrets(), *([self.key.get_secret_value()] if self.key else [])})


def _kind(value: Any) -> str:
    return "a server" if isinstance(value, dict | VlmSettings) else "a word"


def _none(value: Any) -> Any:
    if value != "none":
        raise ValueError('write "none", or the url and model of a server')
    return value


CameraVerifier = Annotated[
    Annotated[Literal["none"], BeforeValidator(_none), Tag("a word")] | Annotated[VlmSettings, Tag("a server")],
    Discriminator(_kind),
]
"""``none``: nothing of the camera is sent; or a server of its own."""
