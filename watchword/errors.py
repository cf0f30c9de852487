"""The errors that this package raises. All are a ``WatchwordError``; ``docs/errors.md`` lists their codes."""

from alignment.errors import CheckpointError, WatchwordError
from daemon.config.errors import ConfigError
from daemon.offline.exports import ExportError
from daemon.search.request import SearchError
from workers.errors import (
    ModelUnavailable,
    ServiceLost,
    SourceCrashed,
    SourceError,
    SourceInvalid,
    SourceNotFound,
    SourceRefused,
    SourceTimeout,
    SourceTooLarge,
    SourceUnauthorized,
    SourceUnreachable,
    SourceUnsupported,
)

__all__ = [
    "CheckpointError",
    "ConfigError",
    "ExportError",
    "ModelUnavailable",
    "SearchError",
    "ServiceLost",
    "SourceCrashed",
    "SourceError",
    "SourceInvalid",
    "SourceNotFound",
    "SourceRefused",
    "SourceTimeout",
    "SourceTooLarge",
    "SourceUnauthorized",
    "SourceUnreachable",
    "SourceUnsupported",
    "WatchwordError",
]
