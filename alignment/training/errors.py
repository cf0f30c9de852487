"""Errors of training."""

from alignment.errors import ExitCode, WatchwordError


class DatasetError(WatchwordError):
    """Annotations and features contain nothing to train on, or do not match each other."""

    code = "dataset_invalid"
    exit_code = ExitCode.INPUT_UNREADABLE
    remedy = "check that the annotations and the videos or features describe the same recordings"


class TrainingStateError(WatchwordError):
    """A saved training state cannot be read, or belongs to another run."""

    code = "training_state_invalid"
    exit_code = ExitCode.USAGE
    remedy = "start without --resume, or choose another --out"


class TrainingDiverged(WatchwordError):
    """The loss or its gradient was not a finite number for many steps in a row."""

    code = "training_diverged"
    remedy = "lower the learning rate, or train without mixed precision"


class PackageMissing(WatchwordError):
    """The command needs an optional package that is not installed."""

    code = "package_missing"
    exit_code = ExitCode.USAGE
    remedy = "install the extra that the message names"
