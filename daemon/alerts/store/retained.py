"""What brokers keep of us: topics that were announced, and topics with the last picture and words of an event."""

from collections.abc import Collection, Iterable

from daemon.alerts.store.session import Session

ANNOUNCED = "announced"  # in the place of the id of an event
ERASED = ""  # the event was forgotten: the broker must forget it too


class RetainedTopics:
    """The topics of one target. Methods raise ``AlertStoreError``."""

    def __init__(self, session: Session, target: str) -> None:
        self._session, self._target = session, target

    def announce(self, topics: Collection[str]) -> list[str]:
        """Note what is announced now; return what was announced before and is not any more."""
        sql = "SELECT topic FROM retained WHERE target = ? AND event_id = ?"
        before = {str(topic) for (topic,) in self._session.rows(sql, (self._target, ANNOUNCED))}
        gone = sorted(before.difference(topics))
        if gone or not before.issuperset(topics):
            self.forget(gone)
            self.note((topic, ANNOUNCED) for topic in topics)
        return gone

    def note(self, topics: Iterable[tuple[str, str]]) -> None:
        """Note topics, each with the id of the event that it shows."""
        rows = [(self._target, topic, event_id) for topic, event_id in topics]
        with self._session.changing() as connection:
            sql = "ON CONFLICT (target, topic) DO UPDATE SET event_id = excluded.event_id"
            connection.executemany(f"INSERT INTO retained VALUES (?, ?, ?) {sql}", rows)

    def erased(self) -> list[str]:
        """Return the topics that show events which were forgotten."""
        sql = "SELECT topic FROM retained WHERE target = ? AND event_id = ?"
        return [str(topic) for (topic,) in self._session.rows(sql, (self._target, ERASED))]

    def forget(self, topics: Collection[str]) -> None:
        """Note that the broker keeps nothing in these topics any more."""
        with self._session.changing() as connection:
            rows = [(self._target, topic) for topic in topics]
            connection.executemany("DELETE FROM retained WHERE target = ? AND topic = ?", rows)
