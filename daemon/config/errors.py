"""What can be wrong with a configuration, and where."""

from dataclasses import dataclass

from alignment.errors import WatchwordError


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. ``line`` and ``column`` count from 1; 0: the file as a whole. ``key`` is a dotted path."""

    file: str
    line: int
    key: str
    message: str
    hint: str = ""
    column: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        parts = [place, self.key, self.message] if self.key else [place, self.message]
        return ": ".join(parts) + (f" — {self.hint}" if self.hint else "")


class UnusableSetting(WatchwordError):
    """A setting is right in itself but does not work on this machine."""

    code = "setting_unusable"


class ConfigError(WatchwordError):
    """Everything that is wrong with a configuration, at once; ``problems`` are in the order of the file."""

    code = "config_invalid"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.args = (problems,)  # so that pickling calls __init__ with the problems again
        self.problems = problems
