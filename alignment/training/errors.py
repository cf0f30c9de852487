"""What can go wrong with training. Without torch, so that the command line can know them all."""

from alignment.errors import WatchwordError


class DatasetError(WatchwordError):
    """Annotations and features that give nothing to train on, or do not belong together."""

    code = "dataset_invalid"


class TrainingStateError(WatchwordError):
    """A saved training state that cannot be read, or belongs to another run."""

    code = "training_state_invalid"


class TrainingDiverged(WatchwordError):
    """The loss or its gradient is no finite number, step after step."""

    code = "training_diverged"


class PackageMissing(WatchwordError):
    """Something is asked for that needs an optional package, which is not installed."""

    code = "package_missing"
