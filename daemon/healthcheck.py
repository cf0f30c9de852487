"""Container health check, ``python -m daemon.healthcheck``: exit 0 if the local daemon makes progress, 1 otherwise.

It requests ``/livez`` at ``WATCHWORD_HEALTH_ADDRESS`` (default 127.0.0.1:8765), by HTTP, then by HTTPS. It imports
nothing but the standard library, because it runs every few seconds.
"""

import os
import ssl
import sys
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

ADDRESS = "127.0.0.1:8765"
TIMEOUT_S = 4.0


def main() -> int:
    """Return the exit code; write the reason of a failure to stderr."""
    address = os.environ.get("WATCHWORD_HEALTH_ADDRESS", ADDRESS)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is issued for the name that others use
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    reason = ""
    for scheme in ("http", "https"):
        try:
            opener.open(f"{scheme}://{address}/livez", timeout=TIMEOUT_S).close()
            return 0
        except HTTPError as error:
            reason = "no progress, see the daemon's log" if error.code == 503 else f"response status {error.code}"
            break
        except (OSError, HTTPException) as error:
            reason = reason or f"no response: {error}"
    sys.stderr.write(f"watchword at {address}: {reason}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
