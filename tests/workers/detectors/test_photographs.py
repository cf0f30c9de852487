"""How well classes are told apart on 283 judged photographs, where they are on this machine."""

from pathlib import Path

import pytest

from tests.benchmarks.seeing.detectors import photographs
from workers.detectors.detector import Detectors

TABLE = Path(__file__).parents[4] / "shared" / "media" / "surveillance" / "photos_people.tsv"
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not TABLE.is_file(), reason="the judged photographs are not on this machine"),
]


@pytest.mark.long
def test_people_and_cars_and_dogs_are_found_in_photographs(detectors: Detectors) -> None:
    found = photographs(detectors, TABLE)
    assert found["person"]["AP"] > 0.98
    assert found["person"]["recall at precision .95"] >= 0.95
    assert found["person"]["precision at 0"] > 0.9
    assert found["person"]["recall at 0"] > 0.95
    assert found["car"]["AP"] > 0.97
    assert found["dog"]["AP"] > 0.94
    assert found["cat"]["AP"] == 1
