"""The rules of ``conftest.py``: every test has a limit of its kind, and what must not run at once is one group."""

import pytest


@pytest.mark.realtime
def test_what_waits_in_real_time_is_one_group_with_a_larger_limit(request: pytest.FixtureRequest) -> None:
    marks = {mark.name: mark.args for mark in request.node.iter_markers()}
    assert marks["xdist_group"] == ("realtime",)
    assert marks["timeout"][0] >= 60
    if hasattr(request.config, "workerinput"):  # of pytest-xdist, which marks the group in the id; not all versions do
        assert request.node.nodeid.endswith("@realtime")


def test_other_tests_have_ten_seconds(request: pytest.FixtureRequest) -> None:
    marks = {mark.name: mark.args for mark in request.node.iter_markers()}
    assert "xdist_group" not in marks
    assert marks["timeout"][0] == float(request.config.getoption("timeout") or request.config.getini("timeout"))
