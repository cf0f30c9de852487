"""CPU milliseconds of sound events per hop of 0.48 s: ``python -m tests.benchmarks.seeing.sounds [--seconds 60]``."""

import argparse
import time

import numpy as np

from workers.audio.sound_events import SoundTagger
from workers.audio.yamnet import HOP
from workers.types import SAMPLE_RATE_HZ, AudioChunk

CHUNK_S = 0.5


def main() -> None:
    """Print the cost of one camera whose audio is noise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    noise = np.random.default_rng(0).normal(0, 0.1, round(CHUNK_S * SAMPLE_RATE_HZ)).astype(np.float32)
    tagger = SoundTagger()
    tagger.push(AudioChunk("warm", 0, 0.0, np.tile(noise, 4)))
    hops, before = 0, time.process_time()
    for i in range(round(seconds / CHUNK_S)):
        tags = tagger.push(AudioChunk("camera", 0, i * CHUNK_S, noise))
        hops += len(tags.t) if tags else 0
    spent = time.process_time() - before
    print(f"{1e3 * spent / hops:.2f} ms a hop of {HOP / SAMPLE_RATE_HZ} s, {100 * spent / seconds:.2f} % of a core")


if __name__ == "__main__":
    main()
