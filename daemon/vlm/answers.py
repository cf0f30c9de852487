"""What a server answered: read by schema, and nothing else of it is used."""

from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from daemon.vlm.errors import VlmNonsense, VlmRefused
from daemon.vlm.types import T

LETTERS_OF_TOKEN = 4  # roughly, to estimate what a server does not report


class _Usage(BaseModel):
    total_tokens: Annotated[int, Field(ge=0, le=10_000_000)] | None = None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


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
    """Return a chat completion; raise ``VlmNonsense`` for anything else."""
    try:
        return Completion.model_validate_json(body)
    except ValidationError:
        raise VlmNonsense("the server's answer is no chat completion") from None


def _unfenced(text: str) -> str:
    """Return the content of a code fence, where the text is one."""
    text = text.strip()
    if not (text.startswith("```") and text.endswith("```")):
        return text
    return text.partition("\n")[2].removesuffix("```")
