"""Authentication by token, or by a user's name from a trusted proxy; and what each principal may see.

Tokens are kept as digests. A given token is digested and compared with all of them in constant time, so that timing
reveals neither its bytes nor its place in the list.
"""

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers

from daemon.config.sections.http import PERMISSIONS, HttpConfig, Permission, ScopeConfig
from daemon.observability.snapshot import DaemonSnapshot

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated client: its permissions, and the cameras that it may know of; ``cameras`` None: all."""

    name: str
    may: frozenset[Permission] = PERMISSIONS
    cameras: frozenset[str] | None = None

    def view(self, snapshot: DaemonSnapshot) -> DaemonSnapshot:
        """Return the part of a snapshot that the principal may see."""
        return snapshot if self.cameras is None else snapshot.only(self.cameras)


ANYONE_HERE = Principal("loopback")  # without credentials configured only loopback is served


@dataclass(frozen=True, slots=True)
class Access:
    """The known tokens by digest, and the proxies whose ``header`` names a user: one of ``users``; if empty, any."""

    tokens: tuple[tuple[bytes, Principal], ...] = ()
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    header: str = ""
    proxied: Principal = ANYONE_HERE
    users: Mapping[str, Principal] = field(default_factory=dict)

    @classmethod
    def of(cls, config: HttpConfig) -> "Access":
        """Return the access that a configuration grants."""
        tokens = []
        if config.token:
            tokens.append((_digest(config.token.get_secret_value()), Principal("token")))
        for name, token in config.tokens.items():
            known = bytes.fromhex(token.sha256) if token.sha256 else b""
            known = _digest(token.token.get_secret_value()) if token.token else known
            tokens.append((known, _principal(name, token)))
        proxy = config.proxy
        if proxy is None:
            return cls(tuple(tokens))
        users = {name: _principal(name, scope) for name, scope in proxy.users.items()}
        return cls(tuple(tokens), tuple(proxy.addresses), proxy.header, _principal("proxy", proxy), users)

    @property
    def is_open(self) -> bool:
        """Return whether no credentials are required."""
        return not self.tokens and not self.proxies

    def is_proxy(self, address: Address | None) -> bool:
        """Return whether an address is one of a configured proxy."""
        return address is not None and any(address in network for network in self.proxies)

    def identify(self, headers: Headers, address: Address | None) -> Principal | None:
        """Return the principal of a request; None: not authenticated."""
        if self.is_open:
            return ANYONE_HERE
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._of_token(given.strip())
        named = headers.getlist(self.header) if self.is_proxy(address) else []
        if len(named) == 1 and (user := named[0].strip()):  # two: one is the client's, which the proxy did not remove
            return self.users.get(user) if self.users else replace(self.proxied, name=user)
        return None

    def _of_token(self, given: str) -> Principal | None:
        digest, found = _digest(given), None
        for known, principal in self.tokens:
            if hmac.compare_digest(digest, known):
                found = principal  # no early return: the time must not reveal which token it was
        return found


def client_address(client: Collection[object] | None) -> Address | None:
    """Return the address of a connection's client; an IPv4 address mapped into IPv6 as IPv4."""
    try:
        address = ip_address(str(next(iter(client or ()), "")).partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def _principal(name: str, scope: ScopeConfig) -> Principal:
    cameras = None if scope.cameras is None else frozenset(scope.cameras)
    return Principal(name, frozenset(scope.may), cameras)
