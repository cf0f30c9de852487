"""Fuzzing target: what is read back of events, from the stream and from the spool.

``python tests/fuzz/fuzz_events.py [CORPUS…] [-runs=N]`` (libFuzzer's options). The first byte chooses: ``R`` and a body
as it stands in Redis, ``F`` and all fields of an entry as JSON, ``S`` and a record of the spool, whose checksum is made
to fit, ``L`` and a line of the spool as it is.
"""

import json
import sys
import zlib
from contextlib import redirect_stdout
from io import BytesIO, StringIO

import atheris

with atheris.instrument_imports(include=["workers.publish", "daemon.commands"]):
    from daemon.commands import events
    from workers.errors import SpoolError
    from workers.publish.reader import parse
    from workers.publish.records import encode, scan

FIELDS = {"type": "new", "id": "0c", "revision": "0", "camera": "door", "event": "cat"}
FIELDS |= {"start": "1.5", "end": "4.0", "score": "0.875"}


def one_input(data: bytes) -> None:
    """Read one input; any exception that is none of ours is a finding."""
    kind, rest = data[:1], data[1:]
    if kind in (b"S", b"L"):
        _spool(b"%08x %s\n" % (zlib.crc32(rest), rest) if kind == b"S" else rest)
        return
    text = rest.decode("utf-8", "replace")  # as redis-py is told to
    fields = FIELDS | {"body": text}
    if kind == b"F":
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            return
        fields = {str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {}
    entry = parse("18446744073709551615-1", fields)  # the last id there is: somebody may have set it
    if entry is not None:
        json.dumps(entry.event.body, ensure_ascii=False, allow_nan=False).encode()  # --json
        events._line(entry.event).encode()  # what `events tail` prints
        with redirect_stdout(StringIO()) as shown:
            events._print_entries([entry], as_json=False)
            for explain in (False, True):
                events._show(entry, explain)
        assert "\x1b" not in shown.getvalue()
        assert len(shown.getvalue()) < 100_000 + 50 * len(data)


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
