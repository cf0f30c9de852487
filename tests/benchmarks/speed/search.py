"""Search of a week of cameras: how long it takes, on an index that is written here.

``python -m tests.benchmarks.speed.search --folder DIR [--cameras 8] [--days 7] [--videos FILES …]``

The rows of the index are real features of the shipped encoder (of the bundled sample, or of other videos), each turned
a little, so that few are equal; objects and sentences lie beside them. Writing a week of eight cameras takes minutes
and 2 GB; an index that is there is searched as it is. The search is that of the daemon, with its models in this
process.
"""

import argparse
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from alignment.file_io import make_folder
from alignment.types import F32
from daemon.captions.store import CaptionStore
from daemon.checking.descriptions import DescriptionJudge
from daemon.config.loader import config_from
from daemon.privacy.stores.uploads import UploadRecords
from daemon.runtime.factory import SAMPLE
from daemon.search.engine import SearchEngine, SearchModels
from daemon.search.evidence import EvidenceFinder
from daemon.search.request import SearchRequest
from workers.events.folder import EvidenceFolder
from workers.index.naming import full_path
from workers.index.packing import packed, sizes
from workers.index.reader import IndexReader
from workers.index.rounding import rounded_rows
from workers.index.shard_file import save_shard
from workers.index.tables import joined
from workers.index.types import ShardInfo, TapeInfo
from workers.items import MOST_OBJECTS, FrameAnswer, StreamItem, Transcript
from workers.models.options import EncoderOptions
from workers.publish.log.view import LogView
from workers.services.aligner import AlignerService
from workers.services.aligner_options import AlignerOptions
from workers.services.encoder import EncoderService
from workers.services.proxies import AlignerProxy, EncoderProxy, LocalTransport
from workers.sources.random_access import read_frames_at
from workers.types import Utterance

HOUR = 3600
TURNED = 0.2  # length of the noise that is added to a row of length 1
VARIED = 50_000  # different rows of a camera
SAID = ("The parcel is at the neighbours.", "Where did you put the keys?", "Mind the step.")
SEARCHES = (
    SearchRequest(text="a padlock"),
    SearchRequest(text="a red car"),
    SearchRequest(text="a person"),
    SearchRequest(text="a man with a ladder"),
    SearchRequest(text="un chien"),
    SearchRequest(text="someone says that the parcel is here"),
    SearchRequest(text="a dog", classes=("person",)),
)


def features(encoder: EncoderService, videos: Sequence[Path]) -> F32:
    """Return a row for each second of the videos."""
    spec, rows = encoder.describe().frame_spec, []
    for video in videos:
        last = -1.0
        for first in range(0, 100_000, 32):
            times, frames = read_frames_at(str(video), [n + 0.5 for n in range(first, first + 32)], spec)
            fresh = times > last
            rows.append(encoder.encode_frames(frames[fresh]).result() if fresh.any() else np.zeros((0, 1), np.float32))
            if not fresh.all():
                break
            last = float(times[-1])
    return np.concatenate([r for r in rows if len(r)])


def hour(rng: np.random.Generator, rows: F32, sentences: F32, start: float) -> Iterator[StreamItem]:
    """Yield an hour of a camera, minute by minute."""
    for minute in range(60):
        t = start + 60 * minute + np.arange(60, dtype=np.float64)
        found = np.full((60, MOST_OBJECTS, 8), -np.inf, np.float32)
        found[..., 6:] = 0
        found[:, :3, 0] = rng.integers(0, 19, (60, 3))
        found[:, :3, 1] = -np.sort(-rng.normal(-2.5, 1.5, (60, 3)))
        found[:, :3, 2:6] = (0.1, 0.1, 0.4, 0.6)
        found[:, :3, 6:] = 0.3 * rng.random((60, 3, 2))
        for i in range(60):  # a frame an item, as of a live camera
            yield FrameAnswer(0, t[i : i + 1], rows[:1], found[i : i + 1])
        if minute % 6 == 0:
            n = int(rng.integers(len(SAID)))
            said = Utterance(float(t[5]), float(t[8]), SAID[n], 0.8, "en")
            yield Transcript(0, said.start_s, (said,), sentences[n : n + 1])


def turned(rng: np.random.Generator, rows: F32) -> tuple[np.ndarray, np.ndarray]:
    """Return ``VARIED`` rows as the index stores them, each a little turned."""
    noise = rng.standard_normal((VARIED, rows.shape[1])).astype(np.float32)
    noise *= TURNED / np.linalg.norm(noise, axis=1, keepdims=True)
    some = rows[rng.integers(0, len(rows), VARIED)] + noise
    return rounded_rows(some / np.linalg.norm(some, axis=1, keepdims=True))


def write(index: Path, encoder: EncoderService, cameras: int, days: int, videos: Sequence[Path]) -> None:
    """Write the index."""
    rows, sentences = features(encoder, videos), encoder.encode_sentences(SAID).result()
    description = encoder.describe()
    end = time.time() // HOUR * HOUR
    print(f"{len(rows)} real rows; writing {cameras} cameras, {days} days", flush=True)
    for camera in range(cameras):
        rng = np.random.default_rng(camera)
        values, scale = turned(rng, rows)
        since = end - days * 24 * HOUR
        tape = TapeInfo(
            f"cam{camera}",
            f"session-{camera}",
            live=True,
            encoder=description.info.id,
            hop_s=1.0,
            dims=description.dims,
            has_video=True,
            has_audio=True,
            recorded=since,
            detects=True,
            transcribes=True,
        )
        first = joined([packed(item) for item in hour(rng, rows, sentences, since)], sizes(tape))
        make_folder(index / tape.camera, 0o700)
        for number in range(days * 24):
            later = {name: first[name] + number * HOUR for name in ("t", "begin", "said_start", "said_end")}
            chosen = np.repeat(rng.integers(0, VARIED, HOUR // 4), 4)  # what a camera shows stays for some seconds
            shown = {"frames": values[chosen], "scale": scale[chosen]}
            seen = {"object_class": rng.permutation(first["object_class"])}
            start = since + number * HOUR
            path = full_path(index / tape.camera, ShardInfo(tape, number), start, start + HOUR)
            save_shard(path, ShardInfo(tape, number), first | later | shown | seen, {"closed": "true"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--videos", type=Path, nargs="+", default=[SAMPLE])
    options = parser.parse_args()
    index = options.folder / "index"
    encoder = EncoderService(EncoderOptions("lite"))
    if not index.is_dir():
        write(index, encoder, options.cameras, options.days, options.videos)
    network = AlignerService(AlignerOptions(), encoder.describe().calibration, encoder.vocabulary)
    config = config_from({"events": {"cat": {"describe": "a cat"}}}, options.folder)
    models = SearchModels(
        EncoderProxy(LocalTransport(encoder)), AlignerProxy(LocalTransport(network)), DescriptionJudge(config)
    )
    log = LogView(options.folder / "events")
    evidence = EvidenceFinder(log, EvidenceFolder(options.folder), UploadRecords(options.folder / "uploads"))
    engine = SearchEngine(IndexReader(index), log, CaptionStore(options.folder / "captions"))
    for turn in range(options.repeat):
        for request in SEARCHES:
            before = resource.getrusage(resource.RUSAGE_SELF)
            found = engine.search(request, models, evidence)
            after = resource.getrusage(resource.RUSAGE_SELF)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            what = f"{request.text!r}{' +class' if request.classes else ''}"
            print(
                f"{turn} {what:45} {found.hours:8.0f} h  {found.seconds:6.2f} s  cpu {cpu:5.2f} s  "
                f"best {[round(m.score, 2) for m in found.moments[:3]]}",
                flush=True,
            )
    print(f"memory {after.ru_maxrss / 1024:.0f} MB, with mapped pages")
    network.close()
    encoder.close()


if __name__ == "__main__":
    main()
