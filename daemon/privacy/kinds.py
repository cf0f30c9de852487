"""Every kind of data that a daemon keeps: its place, its retention, and what removes it.

Whoever adds a file to the state folder or a key to Redis adds it here: a test fails for what no kind claims.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from daemon.privacy.stores.alerts import AlertData
from daemon.privacy.stores.budgets import BudgetData
from daemon.privacy.stores.captions import CaptionData
from daemon.privacy.stores.evidence import EvidenceData
from daemon.privacy.stores.feedback import ClickData, FrameData, SampleData
from daemon.privacy.stores.index import IndexData
from daemon.privacy.stores.log import LogData
from daemon.privacy.stores.store import Places, Store
from daemon.privacy.stores.streams import StreamData
from daemon.privacy.stores.uploads import UploadData

FILES = ("", "-wal", "-shm", "-journal")  # of one SQLite database


@dataclass(frozen=True, slots=True)
class DataKind:
    """One kind. ``files``: patterns below the state folder; ``keys``: patterns of Redis keys, ``STREAM``: the stream.

    ``retention``: the key below ``retention:`` in the configuration; None: kept as long as the state folder.
    ``store``: what finds, erases and expires it; None: nothing in it tells about people.
    """

    name: str
    holds: str
    files: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    retention: str | None = None
    store: Callable[[Places], Store] | None = None


# Events are erased before what was made of them, and the stream last: until then a second try finds their ids.
KINDS: tuple[DataKind, ...] = (
    DataKind(
        "log",
        "events in the event log, with the words that were heard: on their way to Redis, and up to a week after that",
        files=tuple(f"events/{name}.db{suffix}" for name in ("log", "damaged", "repaired") for suffix in FILES),
        retention="events",
        store=LogData,
    ),
    DataKind(
        "evidence",
        "pictures and clips of events, some with the words that were heard; pictures of what is unlike the usual",
        files=tuple(f"evidence/*/{name}" for name in ("*.jpg", "*.explain.png", "*.mp4")),
        retention="evidence",
        store=EvidenceData,
    ),
    DataKind(
        "alerts",
        "alerts, with the words that were heard: those that wait, were delivered, or were suppressed",
        files=tuple(f"alerts/{name}.db{suffix}" for name in ("outbox", "damaged") for suffix in FILES),
        retention="alerts",
        store=AlertData,
    ),
    DataKind(
        "captions",
        "what a verifier wrote of events and of uploads, with what was said in uploads, translated",
        files=tuple(f"captions/captions.db{suffix}" for suffix in FILES),
        retention="events",
        store=CaptionData,
    ),
    DataKind(
        "index",
        "what was seen and heard: features of frames, objects, sounds, the words, and small pictures of what changes",
        files=("index/*/*.open", "index/*/*.shard"),
        retention="index",
        store=IndexData,
    ),
    DataKind(
        "samples",
        "features of the surest clips of each event, by which it can be judged",
        files=("feedback/samples/*/*.safetensors",),
        retention="samples",
        store=SampleData,
    ),
    DataKind(
        "frames",
        "small pictures of events that a verifier may see",
        files=("verification/frames/*/*.safetensors",),
        retention="frames",
        store=FrameData,
    ),
    DataKind(
        "feedback",
        "what people said of events, with the events and their features, and the heads that were made of them",
        files=(*(f"feedback/feedback.db{suffix}" for suffix in FILES), "feedback/heads/*.safetensors"),
        retention="feedback",
        store=ClickData,
    ),
    DataKind(
        "uploads",
        "uploads that were watched, and when",
        files=("uploads.jsonl",),
        retention="uploads",
        store=UploadData,
    ),
    DataKind(
        "events",
        "events with the words that were heard (transcripts), in Redis",
        files=("redis/appendonlydir/*",),
        keys=("STREAM",),
        retention="events",
        store=StreamData,
    ),
    DataKind(
        "budgets",
        "what cameras learned about false alerts: scores, and the mean embedding of each scene over hours",
        files=("budgets/*.json",),
        retention="budgets",
        store=BudgetData,
    ),
    DataKind(
        "markers", "hashes of what was published, which expire after a week", keys=("{STREAM}:id:*", "STREAM:id:*")
    ),
    DataKind(
        "receipts",
        "what was forgotten: camera, times, counts, hashes of ids",
        files=("index/*/*.forgotten", "privacy/erasures.jsonl", "privacy/receipts/*.json", "privacy/requests/*.json"),
    ),
    DataKind(
        "bookkeeping",
        "locks, versions, positions, the embedded server's settings and log",
        files=(
            "schema",
            "lock",
            "events/lock",
            "verification/calls/*",
            "alerts/link.key",
            "redis/lock",
            "redis/url",
            "redis/server.*",
        ),
    ),
)


def kind_of_file(path: Path) -> DataKind | None:
    """Return the kind that claims a path below the state folder."""
    return next((k for k in KINDS if any(fnmatchcase(path.as_posix(), p) for p in k.files)), None)


def kind_of_key(key: str, stream: str) -> DataKind | None:
    """Return the kind that claims a Redis key of a daemon that publishes into ``stream``."""
    for kind in KINDS:
        for pattern in kind.keys:
            before, _, after = pattern.partition("STREAM")
            wanted = before + stream + after.removesuffix("*")
            if key == wanted or (pattern.endswith("*") and key.startswith(wanted)):
                return kind
    return None
