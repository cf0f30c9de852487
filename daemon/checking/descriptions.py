"""How the descriptions of a configuration are read by its profile."""

from functools import cache

from daemon.config import Config
from workers.errors import ModelUnavailable
from workers.models.profiles import PROFILES
from workers.queries.judging import Judgement, judge
from workers.queries.names import Names, Nearest, nearest_names
from workers.types import EventSpec


class DescriptionJudge:
    """Judges events, each once. Loads a text model when the first description is met that only it can judge.

    ``failure`` is set if that model is not installed: its judgements are missing then.
    """

    def __init__(self, config: Config) -> None:
        self._profile = config.models.profile
        self._hears = config.speech.options(self._profile) is not None
        self._judged: dict[EventSpec, tuple[Judgement, ...]] = {}
        self.failure: ModelUnavailable | None = None

    def __call__(self, event: EventSpec) -> tuple[Judgement, ...]:
        """Return a judgement of each description of an event."""
        if event not in self._judged:
            self._judged[event] = self._judge(event)
        return self._judged[event]

    def _judge(self, event: EventSpec) -> tuple[Judgement, ...]:
        by_names = PROFILES[self._profile].detects and self.failure is None
        try:
            return judge(event, self._profile, self._hears, self._find_nearest if by_names else None)
        except ModelUnavailable as error:
            self.failure = error
            return judge(event, self._profile, self._hears)

    def _find_nearest(self, text: str) -> Names:
        return _lite_names()(text)


@cache
def _lite_names() -> Nearest:
    from workers.encoders.lite.texts import LiteTexts  # loads torch: a second

    return nearest_names(LiteTexts())
