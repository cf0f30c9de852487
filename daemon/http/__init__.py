"""The HTTP port: health checks and metrics, authentication, and limits."""

from daemon.http.access import Access
from daemon.http.app import build_app
from daemon.http.server import HttpAddressError, HttpPortError, HttpServer
from daemon.http.tls import TlsFiles, TlsFilesError

__all__ = ["Access", "HttpAddressError", "HttpPortError", "HttpServer", "TlsFiles", "TlsFilesError", "build_app"]
