"""Authentication by token, by a session's cookie, or by a user's name from a trusted proxy; what each may see.

Tokens are kept as digests. A given token is digested and compared with all of them in constant time, so that timing
reveals neither its bytes nor its place in the list.
"""

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from daemon.config.sections.http import PERMISSIONS, HttpConfig, Permission, ScopeConfig
from daemon.http.sessions import COOKIE, Sessions
from daemon.observability.snapshot import DaemonSnapshot

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated client: its permissions, and the cameras that it may know of; ``cameras`` None: all.

    ``ambient``: a browser sends the credentials by itself, also on behalf of another site's page.
    """

    name: str
    may: frozenset[Permission] = PERMISSIONS
    cameras: frozenset[str] | None = None
    ambient: bool = field(default=False, compare=False)

    def view(self, snapshot: DaemonSnapshot) -> DaemonSnapshot:
        """Return the part of a snapshot that the principal may see."""
        return snapshot if self.cameras is None else snapshot.only(self.cameras)

    def sees(self, *cameras: str) -> bool:
        """Return whether the principal may know of all these cameras."""
        return self.cameras is None or self.cameras.issuperset(cameras)


ANYONE_HERE = Principal("loopback", ambient=True)  # without credentials configured only loopback is served


@dataclass(frozen=True, slots=True)
class Access:
    """The known tokens by digest, and the proxies whose ``header`` names a user: one of ``users``; if empty, any."""

    tokens: tuple[tuple[bytes, Principal], ...] = ()
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    header: str = ""
    proxied: Principal = ANYONE_HERE
    users: Mapping[str, Principal] = field(default_factory=dict)
    sessions: Sessions = field(default_factory=Sessions)

    @classmethod
    def of(cls, config: HttpConfig, sessions: Sessions | None = None) -> "Access":
        """Return the access that a configuration grants; ``sessions``: those of browsers, by default none are kept."""
        sessions = sessions or Sessions()
        tokens = []
        if config.token:
            tokens.append((_digest(config.token.get_secret_value()), Principal("token")))
        for name, token in config.tokens.items():
            known = bytes.fromhex(token.sha256) if token.sha256 else b""
            known = _digest(token.token.get_secret_value()) if token.token else known
            tokens.append((known, _principal(name, token)))
        proxy = config.proxy
        if proxy is None:
            return cls(tuple(tokens), sessions=sessions)
        users = {name: _principal(name, scope) for name, scope in proxy.users.items()}
        proxied = _principal("proxy", proxy)
        return cls(tuple(tokens), tuple(proxy.addresses), proxy.header, proxied, users, sessions)

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
            return self.of_token(given.strip())
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        token = self.sessions.token_of(cookie) if cookie else None
        if token is not None and (found := self._of_digest(token)) is not None:
            return replace(found, ambient=True)
        named = headers.getlist(self.header) if self.is_proxy(address) else []
        if len(named) == 1 and (user := named[0].strip()):  # two: one is the client's, which the proxy did not remove
            proxied = self.users.get(user) if self.users else replace(self.proxied, name=user)
            return replace(proxied, ambient=True) if proxied else None
        return None

    def of_token(self, given: str) -> Principal | None:
        """Return the principal of a token; None for one that is not known."""
        return self._of_digest(_digest(given))

    def log_in(self, token: str) -> str | None:
        """Begin a session for a token; return its cookie, None for a token that is not known. Raise ``OSError``."""
        return self.sessions.begin(_digest(token)) if self.of_token(token) else None

    def _of_digest(self, digest: bytes) -> Principal | None:
        found = None
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
