"""The root of the error tree and the errors of this package.

Arguments are positional: an exception whose ``__init__`` takes keyword-only arguments cannot cross a Ray actor.
"""

from typing import ClassVar


class WatchwordError(Exception):
    """An error that people see: what is wrong, and in ``hint`` what to do about it.

    ``code`` is stable, for programs; ``retryable`` says whether trying the same thing again can help.
    """

    code: ClassVar[str] = "unexpected"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} — {self.hint}" if self.hint else self.message


class FeatureError(WatchwordError):
    """Features whose shape or values cannot be aligned."""

    code = "features_invalid"


class CheckpointError(WatchwordError):
    """An aligner's weights that are missing, damaged, or something else."""

    code = "checkpoint_invalid"
