"""When groups of tests and workers ended: what to change if tests take too long, or one worker is alone at the end."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest


@dataclass
class Stretch:
    """From the first test to the last one, Unix time, and how much of that was spent in tests."""

    began: float = field(default_factory=time.time)
    ended: float = 0.0
    spent_s: float = 0.0

    def take(self, report: pytest.TestReport) -> None:
        """Extend it by one phase of a test."""
        self.began, self.ended = min(self.began, report.start), max(self.ended, report.stop)
        self.spent_s += report.duration


class Schedule:
    """A plugin of the process that shares out the tests; it adds a few lines to the summary."""

    def __init__(self) -> None:
        self._began = time.time()
        self._of: dict[str, Stretch] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a phase of a test, by its worker and its group (which pytest-xdist appends to the id)."""
        worker, (test, _, group) = getattr(report, "worker_id", ""), report.nodeid.rpartition("@")
        grouped = test and "]" not in group  # else the @ is one of a parameter
        names = [f"worker {worker}", *([f"group {group} on {worker}"] if grouped else [])]
        for name in names if worker else ():
            self._of.setdefault(name, Stretch()).take(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print a line for each group and each worker."""
        terminalreporter.section("groups and workers")
        for line in self._lines():
            terminalreporter.write_line(line)

    def _lines(self) -> Iterator[str]:
        for name, stretch in sorted(self._of.items(), key=lambda item: item[1].ended):
            began, ended = stretch.began - self._began, stretch.ended - self._began
            yield f"{name}: from {began:.0f} s to {ended:.0f} s, {stretch.spent_s:.0f} s in tests"
