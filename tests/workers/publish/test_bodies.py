"""What somebody else wrote into the stream or the spool is passed over, and never breaks who reads."""

import json
import zlib
from io import BytesIO
from typing import Any

import pytest
from publish_kit import make_event

from workers.errors import SpoolError
from workers.publish.reader import parse
from workers.publish.records import Record, encode, scan

EVENT = make_event(1)
FIELDS = {name: str(getattr(EVENT, name)) for name in ("type", "id", "revision", "camera", "event", "start", "end")}
FIELDS |= {"score": "0.5", "body": json.dumps(EVENT.body)}


def test_our_own_is_read() -> None:
    entry = parse("1-0", FIELDS)
    assert entry is not None
    assert entry.event.body == EVENT.body


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"score": NaN}',
        '{"description": ["\\ud800"]}',
        "9" * 5000,
        "{}",
        json.dumps(EVENT.body) + " " * (8 << 20),
    ],
)
def test_bodies_that_are_none(body: str) -> None:
    assert parse("1-0", FIELDS | {"body": body}) is None


@pytest.mark.parametrize(
    "change",
    [
        '"evidence": []',
        '"evidence": null',
        '"evidence": {"words": [{"text": "x"}]}',
        '"evidence": {"words": [{"text": "x", "start": 1, "end": 1e17, "confidence": 1}]}',
        '"evidence": {"words": [1]}',
        '"evidence": {"attention": [[1, 1]]}',
        '"evidence": {"attention": [["cat", 1000000000000]]}',
        '"evidence": {"timeline": [[1, "x"]]}',
        '"evidence": {"timeline": [[1e300, 0.5]]}',
        f'"evidence": {{"top_frames": [[1{"0" * 400}, 0.5]]}}',
        '"evidence": {"snapshot": [1]}',
        '"live": null',
        '"live": 1',
        '"score_track": [[1]]',
        '"score_track": [[1, 1.5]]',
        '"score_track": [[1, -1e-9]]',
        '"modalities": {"vision": "much"}',
        '"modalities": {"vision": 1e12}',
        '"modalities": []',
        '"rule": {"threshold": "high"}',
        f'"rule": {{"max_false_alerts_per_hour": 1{"0" * 400}}}',
        '"description": "a cat"',
        '"model": [1]',
        '"later": 1e999',
    ],
)
def test_bodies_in_which_one_thing_is_wrong(change: str) -> None:
    whole = json.dumps(EVENT.body).removesuffix("}")
    assert (
        parse("1-0", FIELDS | {"body": f"{whole}, {change}}}"}) is None
    )  # of keys that stand twice the last one counts
    assert parse("1-0", FIELDS | {"body": f'{whole}, "later": 1e99}}'}) is not None


@pytest.mark.parametrize("name", ["evidence", "modalities", "live"])
def test_a_body_without_what_every_view_needs(name: str) -> None:
    body = {key: value for key, value in EVENT.body.items() if key != name}
    assert parse("1-0", FIELDS | {"body": json.dumps(body)}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"type": "newer"},
        {"start": "nan"},
        {"end": "inf"},
        {"start": "1e300", "end": "1e300"},
        {"start": "-1e12"},
        {"score": "-inf"},
        {"score": "1.5"},
        {"revision": "1" * 5000},
    ],
)
def test_fields_that_are_none(change: dict[str, str]) -> None:
    assert parse("1-0", FIELDS | change) is None


def line(payload: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(payload), payload)


@pytest.mark.parametrize("payload", [b"[" * 100_000, b"{", b"\xff", b""])
def test_a_line_whose_checksum_fits_what_is_no_json_is_damaged(payload: bytes) -> None:
    good = encode(Record(2, 1.0, EVENT))
    assert [record and record.seq for _, _, record in scan(BytesIO(line(payload) + good))] == [None, 2]


@pytest.mark.parametrize("change", [{"seq": "1"}, {"seq": True}, {"at": None}, {"event": []}, {"event": {"id": 1}}])
def test_a_line_of_another_version_is_named(change: dict[str, Any]) -> None:
    document = json.loads(encode(Record(2, 1.0, EVENT))[9:]) | change
    with pytest.raises(SpoolError, match="another version"):
        list(scan(BytesIO(line(json.dumps(document).encode()))))
