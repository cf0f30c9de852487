"""A request to stop, in processes of their own: it comes by signal."""

import os
import pty
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from daemon.service.shutdown import INTERRUPTED

pytestmark = pytest.mark.process

HEAD = """
    import sys, time
    import daemon.service.shutdown as stopping
    stop = stopping.StopRequest()
    stop.catch_signals()
    print("ready", flush=True)
"""


def program(code: str, stdin: int | None = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """Start one that has caught its signals when this returns."""
    text = textwrap.dedent(HEAD) + textwrap.dedent(code)
    process = subprocess.Popen([sys.executable, "-c", text], stdin=stdin, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def test_it_wakes_whoever_waits_and_counts_down() -> None:
    process = program("""
        assert stop.left(5.0) == 5.0 and not stop.came
        stop.wait(60)
        assert stop.came
        time.sleep(0.2)
        assert 0 < stop.left(5.0) <= 4.8 and stop.left(0.1) == 0
    """)
    time.sleep(0.2)
    process.terminate()
    assert process.wait(10) == 0


def test_a_second_one_ends_the_process_at_once() -> None:
    process = program("""
        while True:
            time.sleep(60)
    """)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.terminate()
    assert process.wait(5) == INTERRUPTED


def test_a_closed_terminal_starts_the_drain_and_never_cuts_it_short() -> None:
    here, terminal = pty.openpty()
    code = """
        stop.wait(60)
        assert stop.came
        print("drains", flush=True)
        time.sleep(0.5)
    """
    process = program(code, terminal)
    os.close(terminal)
    os.close(here)  # the window is closed
    process.send_signal(signal.SIGHUP)
    assert process.stdout
    assert process.stdout.readline() == "drains\n"
    process.send_signal(signal.SIGHUP)
    assert process.wait(10) == 0


@pytest.mark.parametrize("on_terminal", [False, True])
def test_a_hangup_asks_for_a_reload_while_the_terminal_is_there(on_terminal: bool) -> None:
    here, terminal = pty.openpty()
    code = """
        for _ in range(2):
            while not stop.take_reload():
                stop.wait(60)
            print("reloads", flush=True)
        assert not (stop.came or stop.take_reload())
    """
    process = program(code, terminal if on_terminal else subprocess.DEVNULL)
    for _ in range(2):
        process.send_signal(signal.SIGHUP)
        assert process.stdout
        assert process.stdout.readline() == "reloads\n"
    assert process.wait(10) == 0
    os.close(terminal)
    os.close(here)


def test_whatever_hangs_does_not_outlive_its_time() -> None:
    process = program("""
        stopping.END_S = 0.5
        import ctypes
        ctypes.PyDLL(None).sleep(1)  # the signal comes while native code holds the interpreter's lock
        import threading
        threading.Thread(target=time.sleep, args=(60,)).start()  # keeps the interpreter from ending
    """)
    time.sleep(0.2)
    process.terminate()
    assert process.wait(10) == -signal.SIGALRM


def test_signals_in_quick_succession_to_a_busy_loop_do_not_lock_it_up() -> None:
    """A lock that a handler takes may be held by the very thread that it interrupts."""
    process = program("""
        import os, threading
        stopping.os._exit = lambda code: None
        def shoot():
            for _ in range(3000):
                os.kill(os.getpid(), 15)
            done.append(True)
        done = []
        threading.Thread(target=shoot, daemon=True).start()
        while not done:
            stop.wait(0.0001)
        sys.exit(7)
    """)
    assert process.wait(20) == 7
