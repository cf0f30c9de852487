"""A clock that moves only when it is told to."""


class FakeClock:
    """Wall time starts at one billion seconds; ``sleep`` moves both clocks and returns at once."""

    def __init__(self) -> None:
        self.now = 1000.0

    def wall(self) -> float:
        return 1e9 + self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
