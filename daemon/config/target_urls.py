"""URLs of targets of alerts, of which nearly every part may be a secret: a bot's token, a topic, a key in a path."""

import base64
import binascii
import logging
import re
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from workers.redaction import ENCODE, MASK, RedactedUrl, ambiguous

MIN_PART = 8  # characters; shorter parts, like `webhook`, are too common to be masked in all output
MIN_FIRST = 4  # of what stands in the place of a host without being one, like a topic
KEY_PREFIX = "whsec_"  # of Standard Webhooks
_HOST = re.compile(r"(localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|\[[0-9A-Fa-f:.]+\])(:\d+)?")
_PARTS = re.compile(r"[/?&=:@,;#\s]+")


class TargetUrl(RedactedUrl):
    """A URL of which only the scheme is shown, and the host where it is a host's name."""

    __slots__ = ()

    def secrets(self) -> tuple[str, ...]:
        """Return all parts that may be secret, as written and decoded, longest first."""
        host = self._host()
        first, *others = _PARTS.split(self.reveal().partition("://")[2].replace(host, "", 1))
        parts = {part for part in others if len(part) >= MIN_PART}
        if not host and len(first) >= MIN_FIRST:
            parts.add(first)
        parts |= {unquote(part) for part in parts}
        found = {*parts, *super().secrets()} - {host, host.rpartition(":")[0]}
        return tuple(sorted(found, key=len, reverse=True))

    def _host(self) -> str:
        """Return host and port where the URL has them; many services have a token in this place."""
        authority = re.split(r"[/?#]", self.reveal().partition("://")[2], maxsplit=1)[0]
        host = authority.rpartition("@")[2]
        return host if _HOST.fullmatch(host) else ""

    def _shown(self) -> str:
        scheme, _, _ = self.reveal().partition("://")
        host = self._host()
        return f"{scheme}://{host}/{MASK}" if host else f"{scheme}://{MASK}"


def _apprise_url(value: Any, info: ValidationInfo) -> TargetUrl:
    if isinstance(value, TargetUrl):
        return value
    url = _target(value, info, "ntfy://ntfy.sh/TOPIC, tgram://TOKEN/CHAT, mailto://user:password@example.org")
    if not apprise_knows(url):
        scheme = url.reveal().partition("://")[0]
        raise ValueError(f"apprise does not accept this {scheme}:// URL; https://appriseit.com says how it is written")
    return url


def apprise_knows(url: TargetUrl) -> bool:
    """Return whether apprise can send to a URL, as far as that shows without sending."""
    quiet_apprise()
    import apprise  # a tenth of a second, for those who use it

    return apprise.Apprise.instantiate(url.reveal()) is not None


def quiet_apprise() -> None:
    """Keep what apprise logs from all output, for it quotes URLs; what it says of one message can still be read."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _webhook_url(value: Any, info: ValidationInfo) -> TargetUrl:
    return value if isinstance(value, TargetUrl) else _server(value, info, ("https", "http"))


def _mqtt_url(value: Any, info: ValidationInfo) -> TargetUrl:
    if isinstance(value, TargetUrl):
        return value
    url = _server(value, info, ("mqtt", "mqtts"))
    parts = urlsplit(url.reveal())
    if parts.path not in ("", "/") or parts.query:
        raise ValueError("the URL of a broker ends with its port; the prefix of topics is set by `topic`")
    return url


def _public_url(value: Any, info: ValidationInfo) -> str:
    url = _server(value, info, ("https", "http")).reveal()
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("public_url must not contain a user, a query or a fragment: it is shown in messages")
    return url.rstrip("/")


def _server(value: Any, info: ValidationInfo, schemes: tuple[str, ...]) -> TargetUrl:
    url = _target(value, info, f"{schemes[0]}://host:port/path")
    if doubt := ambiguous(url.reveal()):
        raise ValueError(f"not a URL: {doubt}; {ENCODE}")
    try:
        parts = urlsplit(url.reveal())
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"not a URL with a host; write {schemes[0]}:// or {schemes[1]}://host:port")
    return url


def _target(value: Any, info: ValidationInfo, examples: str) -> TargetUrl:
    if not isinstance(value, str) or "://" not in value or any(ord(c) <= 32 for c in value.strip()):
        raise ValueError(f"not a URL; write for example {examples}")
    return TargetUrl(value.strip(), (info.context or {}).get("secrets", ()))


def signing_secret(value: Any) -> Any:
    """Return the secret of a webhook as it is; raise ``ValueError`` where no key can be made of it."""
    if isinstance(value, str):
        signing_key(value)
    return value


def signing_key(secret: str) -> bytes:
    """Return the key of a webhook's signature; raise ``ValueError`` for a secret that is too short or no Base64."""
    if not secret.startswith(KEY_PREFIX):
        if not 16 <= len(secret) <= 500:
            raise ValueError("a secret has 16 to 500 characters; create one with `openssl rand -hex 32`")
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(KEY_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("what follows whsec_ is not Base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError("a whsec_ secret has 24 to 64 bytes; create one with `openssl rand -base64 32`")
    return key


_shown = PlainSerializer(str, return_type=str)
_text = WithJsonSchema({"type": "string", "minLength": 4})

AppriseUrl = Annotated[TargetUrl, PlainValidator(_apprise_url), _shown, _text]
"""The URL of a service that apprise knows; printing or dumping it shows no credentials."""

WebhookUrl = Annotated[TargetUrl, PlainValidator(_webhook_url), _shown, _text]
"""The URL of an HTTP server; printing or dumping it shows no path and no credentials."""

MqttUrl = Annotated[TargetUrl, PlainValidator(_mqtt_url), _shown, _text]
"""The URL of an MQTT broker; printing or dumping it shows no credentials."""

PublicUrl = Annotated[str, PlainValidator(_public_url), _text]
"""The URL of the page as people reach it, without a slash at its end."""
