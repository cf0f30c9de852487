"""Fuzzing target: what is read back of events, from the stream and from the event log.

``python tests/fuzz/fuzz_events.py [CORPUS…] [-runs=N]`` (libFuzzer's options). The first byte chooses: ``R`` and a body
as it stands in Redis, ``B`` and what a body of the right shape is made of, ``F`` and all fields of an entry as JSON,
``L`` and the body of a row of the event log, whose checksum is made to fit.
"""

import json
import sys
import zlib
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import atheris

with atheris.instrument_imports(include=["workers.events", "workers.publish", "daemon.commands"]):
    from daemon.commands.events import tables
    from daemon.commands.events.explaining import explained
    from workers.events.event import Event
    from workers.publish.log.records import Record, checksum, from_row, to_row
    from workers.publish.redis.fields import read_event
    from workers.publish.redis.reader import Entry

HEAD = {"type": "new", "id": "0c", "revision": 0, "camera": "door", "event": "cat", "start": 1.5, "end": 4.0}
HEAD |= {"score": 0.875}
FIELDS = {name: str(value) for name, value in HEAD.items()}
ABSENT = dict.fromkeys(("start_time", "end_time", "start_unix", "end_unix", "latency_s"))
DOCUMENT = (
    HEAD | ABSENT | {"schema": 1, "segment": "f00d:0", "description": ["a cat"], "priority": 5, "model": "lite/x@1"}
)
DOCUMENT |= {"config_hash": "0123abcd", "produced_at": "2026-01-02T03:04:05Z"}
EVIDENCE: dict[str, Any] = {"snapshot": None, "clip": None, "top_frames": [], "words": []}
EVENT = Event.from_json(
    json.dumps(DOCUMENT | {"live": False, "score_track": [], "modalities": {}, "evidence": EVIDENCE})
)
EXTREMES = [0, 1, -1, 5e-324, 1.0000001, 1e17, -1e17, 1.7e308, 10**400, 253402128000, 253402300800, -62135510400]


def one_input(data: bytes) -> None:
    """Read one input; any exception that is none of ours is a finding."""
    kind, rest = data[:1], data[1:]
    if kind == b"L":
        _row(rest.decode("utf-8", "replace"))
        return
    text = _body(rest) if kind == b"B" else rest.decode("utf-8", "replace")  # as redis-py is told to
    fields = FIELDS | {"body": text}
    if kind == b"F":
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            return
        fields = {str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {}
    event = read_event(fields)
    if event is not None:
        # the last id there is: somebody may have set it
        _view(Entry("18446744073709551615-1", event), drawn=zlib.crc32(data) % 32 == 0)


def _view(entry: Entry, drawn: bool) -> None:
    """Do what ``watchword events`` does with an entry; drawing tables takes longer than all the rest."""
    assert Event.from_json(entry.event.to_json()) == entry.event
    json.dumps(entry.event.to_document(), allow_nan=False)
    tables.as_line(entry.event).encode()
    tables._details(entry, tables._summary(entry.event))
    explained(entry.event, 100)
    if drawn:
        with redirect_stdout(StringIO()) as shown:
            tables.print_table([entry])
            tables.print_details(entry, explain=True)
        assert "\x1b" not in shown.getvalue()


def _body(data: bytes) -> str:
    """Return a body of the right shape; one number in 32 is extreme, the others lie between 0 and 1."""
    take = atheris.FuzzedDataProvider(data)

    def number() -> float:
        return take.PickValueInList(EXTREMES) if not take.ConsumeIntInRange(0, 31) else take.ConsumeProbability()

    def points() -> list[list[float]]:
        return [[number(), number()] for _ in range(take.ConsumeIntInRange(0, 12))]

    words = [take.ConsumeUnicodeNoSurrogates(8) for _ in range(take.ConsumeIntInRange(0, 4))]
    heard = [{"start": number(), "end": number(), "text": word, "confidence": number()} for word in words]
    evidence = {
        "snapshot": None,
        "clip": None,
        "timeline": points(),
        "top_frames": points(),
        "attention": [[w, number()] for w in words],
        "words": heard,
    }
    rule = {"threshold": number(), "max_false_alerts_per_hour": number()}
    shares = {word: number() for word in words}
    live, track = take.ConsumeBool(), points()
    chosen = {"live": live, "evidence": evidence, "rule": rule, "modalities": shares, "score_track": track}
    return json.dumps(DOCUMENT | chosen)


def _row(body: str) -> None:
    *head, _, _ = to_row(Record(1, 2.0, EVENT))
    record = from_row((*head, body, checksum((*head, body))))
    if record is not None:
        assert from_row(to_row(record)) == record


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
