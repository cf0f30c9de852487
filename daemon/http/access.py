"""Who asks: a token, or a user whom a trusted proxy names; and what that one may see.

Tokens are kept as digests. A given one is digested and compared with all of them in constant time, so that neither the
bytes nor the place in the list can be found out by timing.
"""

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers

from daemon.config.cameras import UPLOADS
from daemon.config.http import PERMISSIONS, HttpConfig, Permission, ScopeConfig
from daemon.snapshots import DaemonSnapshot

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, what for, and which cameras it may know of; ``cameras`` None: all."""

    name: str
    may: frozenset[Permission] = PERMISSIONS
    cameras: frozenset[str] | None = None

    def view(self, snapshot: DaemonSnapshot) -> DaemonSnapshot:
        """Return the snapshot without other cameras, other people's uploads, and what was removed of whom.

        What all cameras share stays.
        """
        if self.cameras is None:
            return snapshot
        speech = snapshot.speech
        if speech is not None:
            speech = replace(speech, dropped={c: n for c, n in speech.dropped.items() if c in self.cameras})
        return replace(
            snapshot,
            streams=tuple(s for s in snapshot.streams if s.camera in self.cameras),
            speech=speech,
            uploads=snapshot.uploads if UPLOADS in self.cameras else None,
            removed={},
            restarts={camera: n for camera, n in snapshot.restarts.items() if camera in self.cameras},
            degraded=snapshot.degraded & self.cameras,
        )


ANYONE_HERE = Principal("loopback")  # without any credentials configured only loopback is served


@dataclass(frozen=True, slots=True)
class Access:
    """The known tokens by digest, and the proxies whose ``header`` names a user: one of ``users``, or if empty any."""

    tokens: tuple[tuple[bytes, Principal], ...] = ()
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    header: str = ""
    proxied: Principal = ANYONE_HERE
    users: Mapping[str, Principal] = field(default_factory=dict)

    @classmethod
    def of(cls, config: HttpConfig) -> "Access":
        """Return what a configuration allows."""
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
        """Whether nothing is asked for."""
        return not self.tokens and not self.proxies

    def is_proxy(self, address: Address | None) -> bool:
        """Return whether a connection from this address is one of a listed proxy."""
        return address is not None and any(address in network for network in self.proxies)

    def identify(self, headers: Headers, address: Address | None) -> Principal | None:
        """Return who asks, None for one who is not known."""
        if self.is_open:
            return ANYONE_HERE
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._of_token(given.strip())
        named = headers.getlist(self.header) if self.is_proxy(address) else []
        if len(named) == 1 and (user := named[0].strip()):  # two: the client's own, which the proxy did not remove
            return self.users.get(user) if self.users else replace(self.proxied, name=user)
        return None

    def _of_token(self, given: str) -> Principal | None:
        digest, found = _digest(given), None
        for known, principal in self.tokens:
            if hmac.compare_digest(digest, known):
                found = principal  # no early end: the time must not tell which one it was
        return found


def client_address(client: Collection[object] | None) -> Address | None:
    """Return the address of a connection's other end; an IPv4 address that came by IPv6 as what it is."""
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
