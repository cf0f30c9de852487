"""The address of a Redis server: everything in it is read by the client, or it is a mistake.

redis-py hands on what it does not know and then fails at the first command, takes a database that is no number for 0,
and lets an option replace what Watchword relies on (``decode_responses``). So the options are listed here.
"""

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from workers.redaction import ENCODE, RedactedUrl, ambiguous

_TEXT, _FLAG, _NUMBER, _SECONDS = ".+", "0|1|true|false|yes|no", r"\d{1,5}", r"\d{1,5}(\.\d+)?"
_ANY = {
    "client_name": _TEXT,
    "db": _NUMBER,
    "health_check_interval": _NUMBER,
    "password": _TEXT,
    "socket_connect_timeout": _SECONDS,
    "socket_timeout": _SECONDS,
    "username": _TEXT,
}
_TCP = _ANY | {"socket_keepalive": _FLAG}
_TLS = {
    "ssl_ca_certs": _TEXT,
    "ssl_ca_path": _TEXT,
    "ssl_cert_reqs": "none|optional|required",
    "ssl_certfile": _TEXT,
    "ssl_check_hostname": _FLAG,
    "ssl_ciphers": _TEXT,
    "ssl_keyfile": _TEXT,
    "ssl_password": _TEXT,
}
OPTIONS = {"redis": _TCP, "rediss": _TCP | _TLS, "unix": _ANY}  # scheme -> option -> pattern of its values


def address_mistake(url: RedactedUrl) -> str | None:
    """Return what in the URL of a server would be misread or not read at all, and what to do; quotes no values."""
    raw = url.reveal()
    if doubt := ambiguous(raw):
        return f"{doubt}; {ENCODE}"
    parts = urlsplit(raw)
    options = OPTIONS.get(parts.scheme)
    if options is None:
        return f"no server has such an address; write {', '.join(f'{scheme}://' for scheme in OPTIONS)}"
    given = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in given]
    for name, value in given:
        if name not in options:
            what = "needs rediss://" if name in _TLS else "is not read"
            return f"the option {name!a} {what}; {parts.scheme}:// has {', '.join(sorted(options))}"
        if names.count(name) > 1:
            return f"the option {name} is there more than once; remove the others"
        if not re.fullmatch(options[name], value, re.IGNORECASE):
            return f"the option {name} has a value that cannot be used"
    database = unquote(parts.path).strip("/") if parts.scheme != "unix" else ""
    if database and not re.fullmatch(_NUMBER, database):
        return "the database, behind the slash, must be a number; write redis://host:6379/0"
    return "the database is there twice; remove the option db" if database and "db" in names else None
