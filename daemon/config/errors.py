"""Errors of a configuration, with file, line and key."""

from dataclasses import dataclass

from alignment.errors import ExitCode, WatchwordError


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
    """A setting is valid but does not work on this machine."""

    code = "setting_unusable"
    exit_code = ExitCode.USAGE
    remedy = "change the setting that the message names"


class ConfigError(WatchwordError):
    """The configuration has one or more mistakes; all are reported at once, in the order of the file."""

    code = "config_invalid"
    exit_code = ExitCode.USAGE
    remedy = "correct every line that is listed; `watchword check FILE` validates without starting anything"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.args = (problems,)  # so that pickling calls __init__ with the problems again
        self.problems = problems
        self.hint = ""  # each problem has its own
