"""Ask the daemon on this machine whether it gets on: ``python -m daemon.alive``, the health check of containers.

Exit code 0: it does; 1: it does not, or nobody answers. Asks ``/livez`` at ``WATCHWORD_HEALTH_ADDRESS`` (default
127.0.0.1:8765), by HTTP, then by HTTPS. Imports nothing but the standard library: it runs every few seconds.
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
    """Ask; return the exit code, and say on stderr what is wrong."""
    address = os.environ.get("WATCHWORD_HEALTH_ADDRESS", ADDRESS)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is for the name that others use
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    reason = ""
    for scheme in ("http", "https"):
        try:
            opener.open(f"{scheme}://{address}/livez", timeout=TIMEOUT_S).close()
            return 0
        except HTTPError as error:
            reason = "it does not get on: see its log" if error.code == 503 else f"it answers {error.code}"
            break
        except (OSError, HTTPException) as error:
            reason = reason or f"it does not answer: {error}"
    sys.stderr.write(f"watchword at {address}: {reason}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
