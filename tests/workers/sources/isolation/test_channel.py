"""A link never waits for the rest of a message that does not come, and loses nothing of one that does."""

import pickle
import socket
import struct
import threading
import time
from typing import Any

import numpy as np
import pytest

from workers.sources.isolation.channel import Channel


@pytest.mark.parametrize("cut", [0, 3, 8, 9, 500])
def test_part_of_a_message_is_no_message_until_the_rest_comes(cut: int) -> None:
    ours, theirs = socket.socketpair()
    channel: Channel[Any, Any] = Channel(ours)
    body = pickle.dumps(["a"] * 1000)
    data = struct.pack("!Q", len(body)) + body
    theirs.sendall(data[:cut])
    assert not channel.poll(0.0)
    began = time.monotonic()
    assert not channel.poll(0.05)
    assert 0.05 <= time.monotonic() - began < 5
    theirs.sendall(data[cut:] + data)
    assert channel.poll(5)
    assert channel.recv() == ["a"] * 1000
    assert channel.recv() == ["a"] * 1000
    theirs.sendall(data[:cut])
    theirs.close()
    with pytest.raises(EOFError):
        channel.poll(5)
    channel.close()


def test_more_than_a_socket_holds_goes_both_ways() -> None:
    ours, theirs = (Channel[Any, Any](end) for end in socket.socketpair())
    sent = np.random.default_rng(0).integers(0, 255, 5 << 20, np.uint8)
    echo = threading.Thread(target=lambda: theirs.send(theirs.recv()))
    echo.start()
    ours.send(sent)
    assert np.array_equal(ours.recv(), sent)
    echo.join()
    ours.close()
    theirs.close()
