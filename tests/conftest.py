"""What tests of all packages share."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def one_core() -> Iterator[None]:
    """Let torch use one core, as the aligner's thread does: small passes take ten times as long on two busy ones."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
