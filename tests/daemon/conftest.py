"""The encoder of colours, for tests of what reads the index."""

from collections.abc import Iterator

import pytest

from workers.models.options import EncoderOptions
from workers.services.encoder import EncoderService


@pytest.fixture(scope="session")
def encoder() -> Iterator[EncoderService]:
    """The shipped encoder that knows colours."""
    service = EncoderService(EncoderOptions("colour"))
    yield service
    service.close()
