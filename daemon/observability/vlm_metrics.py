"""Metrics of vision-language models, and of the second opinions that they give on events."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import add

from prometheus_client.core import Metric

from daemon.observability.families import counter, folded, gauge, histogram
from daemon.observability.snapshot import CaptionsSnapshot, VerificationSnapshot
from daemon.vlm.errors import VlmError
from daemon.vlm.types import VlmSnapshot

VERDICTS = ("confirmed", "rejected", "unsure", "unavailable")
VLM_FAILURES = frozenset(c.code for c in VlmError.__subclasses__())
NO_VERDICT = VLM_FAILURES | {"no_model", "no_pictures", "over_budget", "queue_full", "queue_late"}


def verification_metrics(snapshot: VerificationSnapshot | None) -> Iterator[Metric]:
    """Yield what became of events that are verified; no rows without a verifier."""
    known = [snapshot] if snapshot else []
    yield gauge("verification_waiting", "Events that wait for a verdict.", [], [((), k.waiting) for k in known])
    yield gauge("verification_oldest_seconds", "Age of the oldest of them.", [], [((), k.oldest_s) for k in known])
    yield histogram(
        "verification_seconds",
        "From the acceptance of an event, or of its end, to the verdict.",
        [],
        [((), k.latency) for k in known],
    )
    counts = [((verdict,), k.verdicts.get(verdict, 0)) for k in known for verdict in VERDICTS]
    yield counter("verdicts", "Verdicts on events; unavailable: there was none.", ["verdict"], counts)
    failures = folded((("", k.failures) for k in known), NO_VERDICT)
    yield counter(
        "verification_failures",
        "Events without a verdict, by the code of the reason.",
        ["code"],
        [((code,), n) for (_, code), n in failures],
    )


def caption_metrics(snapshot: CaptionsSnapshot | None) -> Iterator[Metric]:
    """Yield what was described; no rows without a verifier."""
    known = [snapshot] if snapshot else []
    yield gauge("captions_waiting", "Closed events that wait for a caption.", [], [((), k.waiting) for k in known])
    counts = [((kind,), k.made.get(kind, 0)) for k in known for kind in ("event", "upload", "none")]
    yield counter("captions", "Events and uploads that were described; none: that will not be.", ["kind"], counts)


def vlm_metrics(models: Sequence[VlmSnapshot]) -> Iterator[Metric]:
    """Yield what was asked of vision-language models: two servers with a model of one name are counted together."""
    by_name: dict[str, list[VlmSnapshot]] = {}
    for one in models:
        by_name.setdefault(one.model, []).append(one)

    def sums(value: Callable[[VlmSnapshot], float]) -> list[tuple[tuple[str], float]]:
        """Return a value of each model, summed over its servers."""
        return [((name,), sum(map(value, found))) for name, found in by_name.items()]

    yield counter("vlm_questions", "Questions to a vision-language model.", ["model"], sums(lambda one: one.asked))
    failed = ((name, sum((Counter(one.failures) for one in found), Counter[str]())) for name, found in by_name.items())
    yield counter(
        "vlm_failures",
        "Questions without a usable answer, by the code of the error.",
        ["model", "code"],
        folded(failed, VLM_FAILURES),
    )
    yield histogram(
        "vlm_seconds",
        "From a question to its answer, with all waiting.",
        ["model"],
        [((name,), reduce(add, (one.latency for one in found))) for name, found in by_name.items()],
    )
    yield counter("vlm_tokens", "Tokens of questions and answers.", ["model"], sums(lambda one: one.tokens))
    yield gauge(
        "vlm_calls_today",
        "Calls of the day (UTC), those that failed too.",
        ["model"],
        sums(lambda one: one.calls_today),
    )
    yield gauge(
        "vlm_calls_left", "Calls that the budget of the day still allows.", ["model"], sums(lambda one: one.calls_left)
    )
    yield gauge("vlm_tokens_today", "Tokens of the day (UTC).", ["model"], sums(lambda one: one.tokens_today))
