"""Exit codes: 0 ok, 1 unexpected, 2 usage or config, 3 input could not be read, 4 service unreachable."""

import typer

from alignment.annotations import AnnotationError
from alignment.errors import CheckpointError, FeatureError, WatchwordError
from alignment.options import OptionError
from alignment.training.errors import DatasetError, PackageMissing, TrainingStateError
from daemon.config import ConfigError
from daemon.config.errors import UnusableSetting
from daemon.evaluate import MissingVideosError, UnreadableVideosError
from daemon.exports import ExportError
from daemon.privacy.requests import Unreachable
from daemon.terminal import printable
from workers.errors import ClusterUnreachable, ModelUnavailable, PublishError, SourceError
from workers.hub import PullError, PullRefused
from workers.publish.redis_errors import RedisMisused

INPUT_UNREADABLE = 3

_CODES: tuple[tuple[type[WatchwordError], int], ...] = (
    (ConfigError, 2),
    (UnusableSetting, 2),
    (ExportError, 2),
    (OptionError, 2),
    (CheckpointError, 2),
    (TrainingStateError, 2),
    (PackageMissing, 2),
    (ModelUnavailable, 2),
    (PullRefused, 2),
    (PullError, 4),
    (SourceError, INPUT_UNREADABLE),
    (AnnotationError, INPUT_UNREADABLE),
    (FeatureError, INPUT_UNREADABLE),
    (DatasetError, INPUT_UNREADABLE),
    (MissingVideosError, INPUT_UNREADABLE),
    (UnreadableVideosError, INPUT_UNREADABLE),
    (RedisMisused, 2),
    (PublishError, 4),
    (Unreachable, 4),
    (ClusterUnreachable, 4),
)


def exit_code(error: WatchwordError) -> int:
    """Return the exit code of a command that ends with this error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), 1)


def report(error: WatchwordError) -> None:
    """Write one error to stderr: its stable code, what is wrong and what to do."""
    lines = "\n" if isinstance(error, ConfigError) else ""
    typer.echo(printable(f"error [{error.code}]: {error}", keep=lines), err=True)


def ended(error: WatchwordError) -> typer.Exit:
    """Report the error that ends a command; return what to raise."""
    report(error)
    return typer.Exit(exit_code(error))
