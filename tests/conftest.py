"""Rules of all tests: how long each may take, which run on the same worker, and one thread for each native library."""

import gc
import os
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.schedule import Schedule

# One thread for each native library, here and in what tests start: two workers share two cores. Before torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Nothing that collecting makes becomes garbage: looking for it takes a fifth of that time, in every worker.
gc.disable()

# Examples have no limit of their own, which a busy machine would exceed; their test has one.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")

# A test with a marker may take so many times the limit: `timeout` in pyproject.toml, `--timeout=…` on a busy machine.
LIMITS = {"ray": 12, "process": 6, "realtime": 6, "long": 60}
GROUPS = ("realtime", "ray")
RERUN = ("realtime", "ray", "process")  # on a machine that others use, too
NICENESS = 5


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every test its time limit and its group; put the groups that take longest first.

    A group runs on one worker. Tests that wait in real time are one group, which leaves its core to other workers;
    those that start Ray are another, for two of them would fill both cores. Tests that depend on the time or on other
    programs are run once more if they fail; pytest's summary counts these reruns.
    """
    usual_s = float(config.getoption("timeout") or config.getini("timeout"))
    for item in items:
        if not item.get_closest_marker("timeout"):
            times = max((n for name, n in LIMITS.items() if item.get_closest_marker(name)), default=1)
            item.add_marker(pytest.mark.timeout(times * usual_s))
        if group := next((name for name in GROUPS if item.get_closest_marker(name)), None):
            item.add_marker(pytest.mark.xdist_group(group))
        if any(item.get_closest_marker(name) for name in RERUN):
            item.add_marker(pytest.mark.flaky(reruns=1))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """Return the turn of a test: those of a group come together, for they share what their file has made."""
    groups = [mark.args[0] for mark in item.iter_markers("xdist_group")]
    if known := [n for n, name in enumerate(GROUPS) if name in groups]:
        return known[0]
    return len(GROUPS) + (item.get_closest_marker("process") is None)


def pytest_collection_finish() -> None:
    """Look for garbage from now on, but not among thousands of modules and tests."""
    gc.enable()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Undo what an earlier test set for the process: the log level of a command it ran. Set the priority.

    Tests that wait in real time go before those that compute, in other workers.
    """
    structlog.reset_defaults()
    if not item.get_closest_marker("realtime") and os.getpriority(os.PRIO_PROCESS, 0) < NICENESS:
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)  # the group `realtime` comes first, so its worker is not yet nice


def pytest_configure(config: pytest.Config) -> None:
    """Let the process that shares out the tests tell when groups and workers ended."""
    if config.getoption("numprocesses", None):  # workers have none of their own
        config.pluginmanager.register(Schedule(), "schedule")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Group tests that have no other group by file, so that what a file loads is loaded once."""
    from xdist.scheduler import LoadGroupScheduling

    class ByGroupOrFile(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return super()._split_scope(nodeid).partition("::")[0]

    return ByGroupOrFile(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """Give every entry of a traceback a line number.

    In Python 3.11 a time limit may interrupt an instruction that belongs to no line, and pytest ends with an internal
    error when it shows such an entry.
    """
    if call.excinfo is None:
        return
    entries = list(_entries(call.excinfo.tb))
    if any(entry.tb_lineno is None for entry in entries):
        trace = None
        for entry in reversed(entries):
            line = entry.tb_frame.f_code.co_firstlineno if entry.tb_lineno is None else entry.tb_lineno
            trace = TracebackType(trace, entry.tb_frame, entry.tb_lasti, line)
        call.excinfo = pytest.ExceptionInfo.from_exception(call.excinfo.value.with_traceback(trace))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup() -> Generator[None, object, object]:
    """Leave the real-time scheduling class after a fixture; see ``_leave_real_time``."""
    try:
        return (yield)
    finally:
        _leave_real_time()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Leave the real-time scheduling class after a test; see ``_leave_real_time``."""
    try:
        return (yield)
    finally:
        _leave_real_time()


def _leave_real_time() -> None:
    """Return to the ordinary scheduling class.

    SVT-AV1's encoder puts a process of root, and all that the process starts later, into ``SCHED_FIFO``. After the
    first AV1 video a test run would starve the rest of the machine.
    """
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _entries(entry: TracebackType | None) -> Iterator[TracebackType]:
    while entry is not None:
        yield entry
        entry = entry.tb_next
