"""The counts of a whole segment are those of a tally that reads it clip by clip."""

import numpy as np
import pytest

from alignment.spans.budget import LevelTally
from alignment.spans.level_counts import counts_at_once
from alignment.windows import WINDOW_CLIPS
from tests.alignment.spans.test_at_once import CLIPS, RULES, final, segment

LEVELS = np.array([0.3, 0.45, 0.6, 0.75, 0.9, 0.97])


@pytest.mark.parametrize("holes", [True, False])
@pytest.mark.parametrize("seed", range(18))
def test_levels_count_what_a_tally_counts(seed: int, holes: bool) -> None:
    t, p, shares = segment(seed)
    track = final(t if holes else np.arange(CLIPS, dtype=np.float64), p, shares)
    start = np.where(np.arange(CLIPS) <= CLIPS - WINDOW_CLIPS, track.edge, track.bounds[:, 0])
    since = float(track.t[60])
    for rule in RULES:
        tally, expected = LevelTally(LEVELS, rule.exit_ratio, rule.min_duration_s, rule.merge_gap_s), np.zeros(6)
        for q, begin, end in zip(p.tolist(), start.tolist(), track.bounds[:, 1].tolist(), strict=True):
            done = tally.add(q, begin, end)[1] if begin + end >= 2 * since else None
            expected += 0 if done is None else done
        expected += tally.finish()
        assert counts_at_once(LEVELS, rule, track, since).tolist() == expected.tolist()
        assert expected.any() or rule.min_duration_s == 30
