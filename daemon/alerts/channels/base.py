"""What every channel does, and how its failures are told apart."""

from typing import Protocol

from alignment.errors import ExitCode, WatchwordError
from daemon.alerts.notice import Notice

MESSAGE_STATUS = frozenset({400, 413, 414, 415, 422, 431})  # answers of HTTP that blame one message, not the target


class DeliveryFailed(WatchwordError):
    """A message could not be delivered to a target. Its text holds no secret and nothing that the target sent.

    ``wait_s``: how long the target wants to be left alone. ``blames_target``: other messages would fail as well.
    """

    code = "alert_not_delivered"
    exit_code = ExitCode.UNREACHABLE
    retryable = True
    remedy = "check the target; delivery is retried"
    wait_s = 0.0
    blames_target = True


class TargetUnreachable(DeliveryFailed):
    """A target cannot be reached: the message was not sent."""

    code = "alert_target_unreachable"
    remedy = "check the target's address and the network; delivery is retried"


class TargetRefused(DeliveryFailed):
    """A target answered that it does not accept a message, or that it has a failure."""

    code = "alert_refused"
    remedy = "check the target's address and its credentials, and its log; delivery is retried"


class TargetSilent(DeliveryFailed):
    """A message was sent and no answer came: it may have arrived. The next attempt is marked as possible duplicate."""

    code = "alert_unanswered"
    remedy = "check the target; delivery is retried, and may arrive twice"


class Channel(Protocol):
    """The way to one target. One thread uses it."""

    def send(self, notice: Notice) -> None:
        """Deliver a message; return when the target has confirmed it. Raise ``DeliveryFailed``."""
        ...

    def idle(self) -> None:
        """Do what may be left to do while no message is due. Raise ``DeliveryFailed``."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...
