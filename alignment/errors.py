"""The root of the error tree, the exit codes of commands, and the errors of this package.

Arguments are positional: an exception whose ``__init__`` takes keyword-only arguments cannot cross a Ray actor.
``docs/errors.md`` lists all classes; ``make errors`` writes that file from the classes.
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What a command returns to the shell."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    INPUT_UNREADABLE = 3
    UNREACHABLE = 4
    INTERRUPTED = 130  # as shells do it: 128 + SIGINT


class WatchwordError(Exception):
    """An error without a class of its own, usually a defect of Watchword.

    ``message`` says what is wrong, and ``hint`` what to do; without a hint it is the class's ``remedy``. ``code`` is
    stable, for programs. ``exit_code`` is that of a command which the error ends. ``retryable``: the same action may
    succeed later without any change.
    """

    code: ClassVar[str] = "unexpected"
    exit_code: ClassVar[ExitCode] = ExitCode.UNEXPECTED
    retryable: ClassVar[bool] = False
    remedy: ClassVar[str] = "this is a bug: please report it, with the log"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint or self.remedy

    def __str__(self) -> str:
        return f"{self.message} — {self.hint}" if self.hint else self.message


class FeatureError(WatchwordError):
    """Features have a shape or values that cannot be aligned, or a feature file cannot be read."""

    code = "features_invalid"
    exit_code = ExitCode.INPUT_UNREADABLE
    remedy = "extract all features again, with one encoder"


class CheckpointError(WatchwordError):
    """The weights of an aligner are missing or damaged, or the file is not a checkpoint."""

    code = "checkpoint_invalid"
    exit_code = ExitCode.USAGE
    remedy = "check the path, or write the checkpoint again with `watchword train`"
