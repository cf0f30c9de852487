"""The HTTP port: address, tokens, proxy and TLS."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, PlainValidator, SecretStr, WithJsonSchema

from daemon.config.base import Section
from daemon.config.types import AnyPath, Name

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Permission = Literal["health", "metrics", "view", "edit", "upload"]
PERMISSIONS: frozenset[Permission] = frozenset(get_args(Permission))
NUMBERS_ONLY: tuple[Permission, ...] = ("health", "metrics")  # no frame, no event, nothing to change


def _network(value: Any) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        network = ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("not an IP address or network; write 10.0.0.2 or 10.1.0.0/24") from None
    if network.prefixlen == 0:
        raise ValueError("this network contains every address; list the addresses of the proxy only")
    return network


Network = Annotated[
    IPv4Network | IPv6Network, PlainValidator(_network), WithJsonSchema({"type": "string", "minLength": 2})
]
"""An IP address, or a network."""


def _long_enough(token: SecretStr) -> SecretStr:
    if not 16 <= len(token) <= 500:
        raise ValueError("a token has 16 to 500 characters; create one with `openssl rand -hex 32`")
    return token


Token = Annotated[
    SecretStr,
    AfterValidator(_long_enough),
    WithJsonSchema({"type": "string", "minLength": 16, "maxLength": 500, "format": "password", "writeOnly": True}),
]
"""A bearer token, long enough that it cannot be guessed."""


class ScopeConfig(Section):
    """What a client may request, and for which cameras."""

    may: Annotated[tuple[Permission, ...], Field(min_length=1)] = Field(
        default=NUMBERS_ONLY,
        description="health: /healthz and /readyz; metrics: /metrics; view: cameras, frames, events, evidence, alerts; "
        "edit: change cameras and rules, mute and test alerts; upload: add files to the folder of uploads. "
        "Default: health and metrics.",
    )
    cameras: Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(
        default=None, description="Visible cameras (uploads: the upload folder). Default: all."
    )


class TokenConfig(ScopeConfig):
    """One token, in plain text or as its digest."""

    token: Token | None = Field(
        default=None, description='The token, preferably as "{WATCHWORD_…}" from the environment.'
    )
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None,
        description="SHA-256 of the token in hexadecimal, instead of the token: printf %s TOKEN | sha256sum",
    )


UserName = Annotated[str, Field(min_length=1, max_length=256)]


class ProxyConfig(ScopeConfig):
    """A reverse proxy that authenticates users and sends their names in a header."""

    addresses: Annotated[tuple[Network, ...], Field(min_length=1, max_length=100)] = Field(
        description="Addresses of the proxy. Every client at these addresses is trusted."
    )
    header: str = Field(
        default="Remote-User",
        pattern=r"^[A-Za-z0-9-]{1,100}$",
        description="Header with the user's name. The proxy must remove it from requests of clients.",
    )
    users: Annotated[dict[UserName, ScopeConfig], Field(max_length=1000)] = Field(
        default={},
        description="Permissions by user name; other users are rejected. "
        "Default: every user of the proxy, with the permissions of `may` and `cameras` here.",
    )


class TlsConfig(Section):
    """Files for HTTPS. They are read again when they change."""

    certificate: AnyPath = Field(description="Certificate with its chain, PEM.")
    key: AnyPath = Field(description="Private key of the certificate, PEM, not encrypted.")


class HttpConfig(Section):
    """The HTTP port: health checks, metrics, the API and the page."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        max_length=253,
        description="Address to listen on. An address other than loopback needs a token or a proxy.",
    )
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(default=8765, description="TCP port; 0: any free port.")
    token: Token | None = Field(
        default=None, description="Token that clients send as `Authorization: Bearer …`; it permits everything."
    )
    tokens: Annotated[dict[Name, TokenConfig], Field(max_length=100)] = Field(
        default={}, description="Further tokens by name, each with its permissions."
    )
    proxy: ProxyConfig | None = Field(default=None, description="A reverse proxy that authenticates users.")
    tls: TlsConfig | None = Field(default=None, description="Serve HTTPS.")

    def secrets(self) -> frozenset[str]:
        """Return the tokens, so that logs can mask them."""
        tokens = [self.token, *(t.token for t in self.tokens.values())]
        return frozenset(t.get_secret_value() for t in tokens if t)
