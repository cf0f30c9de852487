"""The port: where it listens, who may ask for what."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, PlainValidator, SecretStr, WithJsonSchema

from daemon.config.base import Section
from daemon.config.types import AnyPath, Name

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Permission = Literal["health", "metrics"]
PERMISSIONS: frozenset[Permission] = frozenset(get_args(Permission))


def _network(value: Any) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        network = ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("not an address or a network such as 10.0.0.2 or 10.1.0.0/24") from None
    if network.prefixlen == 0:
        raise ValueError("everybody would be a proxy: list the addresses of the proxy alone")
    return network


Network = Annotated[
    IPv4Network | IPv6Network, PlainValidator(_network), WithJsonSchema({"type": "string", "minLength": 2})
]
"""An IP address, or a network."""


def _long_enough(token: SecretStr) -> SecretStr:
    if not 16 <= len(token) <= 500:
        raise ValueError("a token has 16 to 500 characters: make one with `openssl rand -hex 32`")
    return token


Token = Annotated[
    SecretStr,
    AfterValidator(_long_enough),
    WithJsonSchema({"type": "string", "minLength": 16, "maxLength": 500, "format": "password", "writeOnly": True}),
]
"""What clients send; long enough that nobody guesses it."""


class ScopeConfig(Section):
    """What somebody may ask for, and about which cameras."""

    may: Annotated[tuple[Permission, ...], Field(min_length=1)] = Field(
        default=tuple(sorted(PERMISSIONS)), description="health: /healthz and /readyz; metrics: /metrics. Default: all."
    )
    cameras: Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(
        default=None, description="Cameras to know of (uploads: the folder of uploads). Default: all."
    )


class TokenConfig(ScopeConfig):
    """One token, as itself or by its digest."""

    token: Token | None = Field(default=None, description='The token, best as "{WATCHWORD_…}".')
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="Instead of the token its SHA-256, in hexadecimal: printf %s TOKEN | sha256sum"
    )


UserName = Annotated[str, Field(min_length=1, max_length=256)]


class ProxyConfig(ScopeConfig):
    """A reverse proxy that authenticates users and names them in a header."""

    addresses: Annotated[tuple[Network, ...], Field(min_length=1, max_length=100)] = Field(
        description="Where the proxy connects from. Whoever can connect from there is believed."
    )
    header: str = Field(
        default="Remote-User",
        pattern=r"^[A-Za-z0-9-]{1,100}$",
        description="The header that names the user; the proxy must remove it from what clients send.",
    )
    users: Annotated[dict[UserName, ScopeConfig], Field(max_length=1000)] = Field(
        default={},
        description="Users by the name in the header, each with what that one may ask for; then nobody else may ask. "
        "Default: everybody whom the proxy names, for what is said beside.",
    )


class TlsConfig(Section):
    """Files for HTTPS; read again when they change."""

    certificate: AnyPath = Field(description="The certificate with its chain, PEM.")
    key: AnyPath = Field(description="Its private key, PEM, not encrypted.")


class HttpConfig(Section):
    """The port of health and metrics."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        max_length=253,
        description="Where to listen; elsewhere needs a token or a proxy.",
    )
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(default=8765, description="0 takes any free port.")
    token: Token | None = Field(
        default=None, description="What clients must send as `Authorization: Bearer …`; it may ask for everything."
    )
    tokens: Annotated[dict[Name, TokenConfig], Field(max_length=100)] = Field(
        default={}, description="Further tokens by name, each with what it may ask for."
    )
    proxy: ProxyConfig | None = Field(default=None, description="A reverse proxy that authenticates users.")
    tls: TlsConfig | None = Field(default=None, description="Serve HTTPS.")

    def secrets(self) -> frozenset[str]:
        """Return the tokens, which must never be printed."""
        tokens = [self.token, *(t.token for t in self.tokens.values())]
        return frozenset(t.get_secret_value() for t in tokens if t)
