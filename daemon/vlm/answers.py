"""What a server answered: read by schema, and nothing else of it is used."""

from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from daemon.vlm.errors import VlmNonsense, VlmRefused
from daemon.vlm.types import T

STREAM = (b"data:", b"event:", b"id:", b":")  # how server-sent events may begin
LETTERS_OF_TOKEN = 4  # roughly, to estimate what a server does not report


class _Usage(BaseModel):
    total_tokens: Annotated[int, Field(ge=0, le=10_000_000)] | None = None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _PieceOfChoice(BaseModel):
    delta: _Message
    finish_reason: str | None = None


class _Piece(BaseModel):
    """One event of a stream of tokens; the one that reports usage has no choices."""

    choices: list[_PieceOfChoice] = []
    usage: _Usage | None = None


class Completion(BaseModel):
    """The parts of a chat completion that are read."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None

    def tokens(self, sent: int, max_tokens: int) -> int:
        """Return what the call cost; an estimate from the bytes that were ``sent`` where the server does not say."""
        reported = self.usage.total_tokens if self.usage else None
        return sent // LETTERS_OF_TOKEN + max_tokens if reported is None else reported

    def answer(self, kind: type[T]) -> T:
        """Return the answer; raise ``VlmRefused`` or ``VlmNonsense``."""
        choice = self.choices[0]
        if choice.message.refusal or choice.finish_reason == "content_filter":
            raise VlmRefused("the model declines to answer")
        try:
            return kind.model_validate_json(_unfenced(choice.message.content or ""))
        except ValidationError:
            cut = "is cut off" if choice.finish_reason == "length" else "does not have the form that was asked for"
            raise VlmNonsense(f"the model's answer {cut}") from None


def completion(body: bytes) -> Completion:
    """Return a chat completion, also one that is streamed; raise ``VlmNonsense`` for anything else."""
    try:
        return _joined(body) if body.lstrip().startswith(STREAM) else Completion.model_validate_json(body)
    except ValidationError:
        raise VlmNonsense("the server's answer is no chat completion") from None


def _joined(body: bytes) -> Completion:
    """Return what a stream of tokens (server-sent events) adds up to: some servers know no other answer."""
    lines = (line.removeprefix(b"data:").strip() for line in body.splitlines() if line.startswith(b"data:"))
    pieces = [_Piece.model_validate_json(line) for line in lines if line != b"[DONE]"]
    choices = [choice for piece in pieces for choice in piece.choices[:1]]
    content, refusal = ("".join(getattr(c.delta, name) or "" for c in choices) for name in ("content", "refusal"))
    finish = next((choice.finish_reason for choice in reversed(choices) if choice.finish_reason), None)
    usage = next((piece.usage for piece in reversed(pieces) if piece.usage), None)
    return Completion(
        choices=[_Choice(message=_Message(content=content, refusal=refusal), finish_reason=finish)], usage=usage
    )


def _unfenced(text: str) -> str:
    """Return the content of a code fence, where the text is one."""
    text = text.strip()
    if not (text.startswith("```") and text.endswith("```")):
        return text
    return text.partition("\n")[2].removesuffix("```")
