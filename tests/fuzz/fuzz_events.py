"""Fuzzing target: what is read back of events, from the stream and from the spool.

``python tests/fuzz/fuzz_events.py [CORPUS…] [-runs=N]`` (libFuzzer's options). The first byte chooses: ``R`` and a body
as it stands in Redis, ``B`` and what a body of the right shape is made of, ``F`` and all fields of an entry as JSON,
``S`` and a record of the spool, whose checksum is made to fit, ``L`` and a line of the spool as it is.
"""

import json
import sys
import zlib
from contextlib import redirect_stdout
from io import BytesIO, StringIO

import atheris

with atheris.instrument_imports(include=["workers.publish", "daemon.commands"]):
    from daemon.commands import events
    from daemon.commands.explaining import explained
    from workers.errors import SpoolError
    from workers.publish.reader import Entry, parse
    from workers.publish.records import encode, scan

FIELDS = {"type": "new", "id": "0c", "revision": "0", "camera": "door", "event": "cat"}
FIELDS |= {"start": "1.5", "end": "4.0", "score": "0.875"}
EXTREMES = [0, 1, -1, 5e-324, 1.0000001, 1e17, -1e17, 1.7e308, 10**400, 253402128000, 253402300800, -62135510400]


def one_input(data: bytes) -> None:
    """Read one input; any exception that is none of ours is a finding."""
    kind, rest = data[:1], data[1:]
    if kind in (b"S", b"L"):
        _spool(b"%08x %s\n" % (zlib.crc32(rest), rest) if kind == b"S" else rest)
        return
    text = _body(rest) if kind == b"B" else rest.decode("utf-8", "replace")  # as redis-py is told to
    fields = FIELDS | {"body": text}
    if kind == b"F":
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            return
        fields = {str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {}
    entry = parse("18446744073709551615-1", fields)  # the last id there is: somebody may have set it
    if entry is not None:
        _view(entry, drawn=zlib.crc32(data) % 32 == 0)


def _view(entry: Entry, drawn: bool) -> None:
    """Do what ``watchword events`` does with an entry; drawing tables takes longer than all the rest."""
    json.dumps(entry.event.body, ensure_ascii=False, allow_nan=False).encode()
    events._line(entry.event).encode()
    events._details(entry, events._summary(entry.event.body))
    explained(entry.event, 100)
    if drawn:
        with redirect_stdout(StringIO()) as shown:
            events._print_entries([entry], as_json=False)
            events._show(entry, explain=True)
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
        "timeline": points(),
        "top_frames": points(),
        "attention": [[w, number()] for w in words],
        "words": heard,
    }
    rule = {"threshold": number(), "max_false_alerts_per_hour": number()}
    shares = {word: number() for word in words}
    live, track = take.ConsumeBool(), points()
    return json.dumps({"live": live, "evidence": evidence, "rule": rule, "modalities": shares, "score_track": track})


def _spool(segment: bytes) -> None:
    try:
        found = list(scan(BytesIO(segment)))
    except SpoolError:
        return
    assert sum(size for _, size, _ in found) == len(segment)
    for _, _, record in found:
        if record is not None:
            try:
                line = encode(record)
            except SpoolError:  # NaN, which an older version may have let in
                continue
            ((_, _, again),) = scan(BytesIO(line))
            assert again == record


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
