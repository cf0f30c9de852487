"""What the actor shells add to the classes that they wrap."""

import pytest

from workers.actors import Kept
from workers.errors import ModelUnavailable, SpoolError


def test_a_service_that_cannot_load_says_why_to_every_caller() -> None:
    def build() -> int:
        tries.append(1)
        raise ModelUnavailable("no weights")

    tries: list[int] = []
    kept = Kept(build)
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="no weights"):
            kept()
    assert len(tries) == 1


def test_one_that_may_load_later_is_tried_again() -> None:
    def build() -> str:
        if not room:
            raise SpoolError("the disk is away")
        return "open"

    room: list[bool] = []
    kept = Kept(build, again=True)
    with pytest.raises(SpoolError, match="away"):
        kept()
    room.append(True)
    assert kept() == "open"
