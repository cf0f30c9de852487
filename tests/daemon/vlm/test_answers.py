"""Whatever a server answers, what comes of it is an answer of the schema or an error of ours."""

import json
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from daemon.vlm.answers import completion
from daemon.vlm.errors import VlmError, VlmNonsense

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


class Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    verdict: Literal["confirmed", "rejected"]


def read(body: bytes) -> None:
    try:
        found = completion(body)
        assert 0 <= found.tokens(1000, 400) <= 10_000_000
        assert found.answer(Verdict).verdict in ("confirmed", "rejected")
    except VlmError:
        pass


@given(st.binary(max_size=200))
@example(b"[" * 60_000)
@example(b'{"choices": [{"message": {"content": "' + b"```\\n" * 10_000 + b'"}}]}')
def test_bytes(body: bytes) -> None:
    read(body)


@given(ANY_JSON, ANY_JSON, ANY_JSON)
@example('{"verdict": "confirmed"}', "stop", {"total_tokens": 10**400})
@example('{"verdict": "confirmed"}', "stop", {"total_tokens": -1})
def test_json_of_the_right_shape(content: Any, finish: Any, usage: Any) -> None:
    choice = {"message": {"content": content}, "finish_reason": finish}
    read(json.dumps({"choices": [choice], "usage": usage}).encode("utf-8", "surrogatepass"))


@given(ANY_JSON)
def test_an_answer_is_of_the_schema_or_nonsense(answer: Any) -> None:
    body = json.dumps({"choices": [{"message": {"content": json.dumps(answer)}}]}).encode()
    if answer not in ({"verdict": "confirmed"}, {"verdict": "rejected"}):
        with pytest.raises(VlmNonsense):
            completion(body).answer(Verdict)
