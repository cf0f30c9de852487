"""The HTTP API under ``/api/v1``: what the command line can do, for pages and other programs."""

from daemon.api.app import add_api, body_bytes, is_open_route
from daemon.api.services import ApiServices

__all__ = ["ApiServices", "add_api", "body_bytes", "is_open_route"]
