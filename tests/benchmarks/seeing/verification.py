"""Second opinions: what they cost in time, and what a verifier of known accuracy makes of the first stage's events.

python -m tests.benchmarks.seeing.verification latency [--seconds 300] [--answer 1.0]
    One daemon with `colour` watches three cameras that show red, green and blue in turn. For each colour one camera has
    no `verify`, one `label` and one `hold`, which change places every 36 s: what disturbs one, disturbs all. The server
    of the model answers after ``--answer`` seconds. Prints seconds from the capture of the deciding frame to the
    webhook, with `hold` less the server's own time, and how they differ from those without `verify`; in brackets 95 %
    intervals (bootstrap).
python -m tests.benchmarks.seeing.verification accuracy --annotations FILE --predictions FILE [--seed 0]
    Takes the events that `watchword eval --predictions` wrote. A server that answers about each event rightly with a
    probability of .9, true or not, verifies them with the policy `only_confirmed`. Prints precision and recall, and
    what arithmetic says, with the 95 % interval of so many events. The server is a script, not a model.
"""

import argparse
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from alignment.evaluation.annotations import Annotation, Prediction
from alignment.evaluation.matching import match, overlaps
from alignment.types import F64
from daemon.alerts.decider import unverified
from daemon.evaluation.run import read_annotations, read_predictions
from tests.daemon.verification.conftest import CONFIRMED, REJECTED, House
from tests.support.programs.daemon import running, write_config
from tests.support.serving.receivers import receiver
from tests.support.serving.servers import free_port
from tests.support.serving.vlm_server import Asked, Request, judges, says, vlm_server
from workers.events.event import Event
from workers.publish.log.view import LogView
from workers.state_layout import StateLayout

COLOURS = ("red", "green", "blue")
POLICIES = ("none", "label", "hold")
TIOU = 0.3  # below it an event is a false alert
RIGHT = 0.9
DRAWS = 100_000
RESAMPLES = 10_000
TURN_S = 36.0  # three times all colours


@dataclass(frozen=True)
class Answered:
    """When a question came and was answered, Unix seconds, and which colour and camera it was about."""

    began: float
    ended: float
    colour: str
    camera: str


def latencies(seconds: float, answer_s: float) -> None:
    """Run a daemon, and print how long its alerts took, by policy."""
    answered: list[Answered] = []

    def late(request: Request, asked: Asked) -> None:
        began = time.time()
        time.sleep(answer_s)
        says(CONFIRMED)(request, asked)
        answered.append(Answered(began, time.time(), asked.data["description"][0].split()[1], asked.data["camera"]))

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hook, model = stack.enter_context(receiver()), stack.enter_context(vlm_server(late))
        ports = [free_port() for _ in POLICIES]
        config = configured(folder, ports, 0, model.url, hook.url)
        video = coloured(folder)
        daemon = stack.enter_context(running(config, folder))
        daemon.wait_for("models loaded")
        for port in ports:
            to = ("-c", "copy", "-f", "mpegts", f"udp://127.0.0.1:{port}?pkt_size=1316")
            loop = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(video), *to]
            stack.callback(subprocess.Popen(loop, stdin=subprocess.DEVNULL).kill)
        for turn in range(1, max(1, round(seconds / TURN_S)) + 1):
            time.sleep(TURN_S)
            configured(folder, ports, turn, model.url, hook.url)
            daemon.process.send_signal(signal.SIGHUP)
        log = LogView(StateLayout(folder / "state").event_log)
        firsts = {r.event.id: r.event for r in log.all() if not r.event.revision}
        took: dict[str, list[float]] = {policy: [] for policy in POLICIES}
        for one in hook.got:
            if one.json["type"] == "watchword.alert" and (first := firsts.get(one.events[0])):  # else it came just now
                policy, colour = first.event.split("_")
                mine = [a for a in answered if (a.colour, a.camera) == (colour, first.camera) and a.began <= one.at]
                own = mine[-1].ended - mine[-1].began if policy == "hold" else 0.0
                assert first.latency_s is not None
                took[policy].append(one.at - written(first) + first.latency_s - own)
    for policy in POLICIES:
        print(f"{policy}: {len(took[policy])} alerts; {shown(took[policy], took['none'] if policy != 'none' else [])}")


def configured(folder: Path, ports: Sequence[int], turn: int, model: str, hook: str) -> Path:
    """Write the configuration of a turn: each colour has another policy on each camera, and in each of three turns."""
    cameras = {
        f"c{n}": {
            "url": f"udp://127.0.0.1:{port}",
            "fps": 2,
            "events": [f"{POLICIES[(n + m + turn) % 3]}_{colour}" for m, colour in enumerate(COLOURS)],
        }
        for n, port in enumerate(ports)
    }
    return write_config(
        folder,
        cameras=cameras,
        events={f"{policy}_{colour}": rule(policy, colour) for policy in POLICIES for colour in COLOURS},
        models={"profile": "colour", "verifier": settings(model)},
        alerts={"cooldown": 0, "targets": {"hook": {"webhook": hook, "clips": False}}},
    )


def rule(policy: str, colour: str) -> dict[str, Any]:
    """Return a rule for a colour."""
    verify = {"verify": policy} if policy != "none" else {}
    return {"describe": f"a {colour} picture", "modalities": ["vision"], "min_duration": 0} | verify


def settings(url: str) -> dict[str, object]:
    """Return a verifier without a limit that matters here."""
    return {"url": url, "model": "scripted", "calls_per_minute": 10_000, "calls_per_day": 1_000_000}


def coloured(folder: Path) -> Path:
    """Make a video that shows each colour for four seconds."""
    path = folder / "colours.mp4"
    inputs = [part for c in COLOURS for part in ("-f", "lavfi", "-i", f"color={c}:size=320x240:rate=10:duration=4")]
    joined = ["-filter_complex", f"concat=n={len(COLOURS)}", "-g", "10", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *joined], check=True, stdin=subprocess.DEVNULL)
    return path


def written(event: Event) -> float:
    """Return when a revision was written, Unix seconds."""
    return datetime.fromisoformat(event.produced_at).timestamp()


def shown(values: Sequence[float], others: Sequence[float]) -> str:
    """Return median and p95 with their intervals, and how they differ from those of others."""
    rng = np.random.default_rng(0)

    def drawn(of: Sequence[float], q: float) -> F64:
        return np.quantile(rng.choice(of, (RESAMPLES, len(of))), q, axis=1)

    parts = []
    for name, q in (("median", 0.5), ("p95", 0.95)):
        parts.append(f"{name} {np.quantile(values, q):.2f} s ({interval(drawn(values, q))})")
        if others:
            apart = np.quantile(values, q) - np.quantile(others, q)
            parts.append(f"{apart:+.2f} s ({interval(drawn(values, q) - drawn(others, q))}) to none")
    return ", ".join(parts)


def interval(values: F64) -> str:
    """Return where 95 % of some values lie."""
    return "{:.2f} to {:.2f}".format(*np.quantile(values, (0.025, 0.975)))


@contextmanager
def house(truths: Sequence[bool], seed: int) -> Iterator[House]:
    """Yield a house whose verifier is right about each event with a known probability: in each look the same."""
    said: dict[int, object] = {}
    fresh = judges(lambda asked: truths[number(asked)], lambda yes: CONFIRMED if yes else REJECTED, RIGHT, RIGHT, seed)

    def once(request: Request, asked: Asked) -> None:
        if number(asked) not in said:
            fresh(request, asked)
            said[number(asked)] = None
        else:
            raise AssertionError("an event was asked about twice")

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield House(folder, stack, stack.enter_context(vlm_server(once)))


def number(asked: Asked) -> int:
    """Return which event a question is about: the name of its zone."""
    return int(asked.data["zone"][0])


def accuracy(annotations: Sequence[Annotation], predictions: Sequence[Prediction], seed: int) -> None:
    """Verify the events of predictions, and print precision and recall beside what arithmetic says."""
    by_qid = {p.qid: p for p in predictions}
    events, truths = [], []
    for asked in annotations:
        windows = by_qid[asked.qid].windows
        pairs = match(overlaps(windows, asked.windows), TIOU)
        right = {pair.predicted for pair in pairs}
        events += [(asked.query, window) for window in windows]
        truths += [n in right for n in range(len(windows))]
    wanted, true = sum(len(a.windows) for a in annotations), sum(truths)
    alerted = verified(events, truths, seed)
    kept = [truth for truth, is_alerted in zip(truths, alerted, strict=True) if is_alerted]
    print(f"{len(annotations)} queries, {wanted} true windows; first stage: {len(events)} events, {true} of them true")
    print(f"first stage: precision {true / len(events):.3f}, recall {true / wanted:.3f}")
    print(f"verified: {len(kept)} alerted; precision {sum(kept) / len(kept):.3f}, recall {sum(kept) / wanted:.3f}")
    rng = np.random.default_rng(0)
    hits = rng.binomial(true, RIGHT, DRAWS)
    passed = rng.binomial(len(events) - true, 1 - RIGHT, DRAWS)
    for name, values in (("precision", hits / (hits + passed)), ("recall", hits / wanted)):
        low, high = np.quantile(values, (0.025, 0.975))
        print(f"arithmetic, .9/.9: {name} {values.mean():.3f}, 95 % {low:.3f} to {high:.3f}")


def verified(events: Sequence[tuple[str, tuple[float, float, float]]], truths: Sequence[bool], seed: int) -> list[bool]:
    """Return which events are alerted once each has its verdict."""
    with house(truths, seed) as home:
        home.start(timeout=60, calls_per_minute=10_000, calls_per_day=1_000_000)
        found = []
        for n, (query, window) in enumerate(events):
            span: dict[str, Any] = dict(zip(("start", "end", "score"), map(float, window), strict=True))
            found.append(home.event(n, policy="only_confirmed", description=[query], zone=[str(n)], type="end", **span))
        for first in range(0, len(found), 32):  # fewer than wait at most
            home.happen(*found[first : first + 32])
            verdicts = {home.judged(event, 120, "end").verdict for event in found[first : first + 32]}
            assert verdicts <= {"confirmed", "rejected"}
        return [unverified(home.last(event)) is None for event in found]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    timed, judged = kinds.add_parser("latency"), kinds.add_parser("accuracy")
    timed.add_argument("--seconds", type=float, default=300)
    timed.add_argument("--answer", type=float, default=1.0)
    judged.add_argument("--annotations", type=Path, required=True)
    judged.add_argument("--predictions", type=Path, required=True)
    judged.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.kind == "accuracy":
        accuracy(read_annotations(args.annotations), read_predictions(args.predictions), args.seed)
        return
    latencies(args.seconds, args.answer)


if __name__ == "__main__":
    main()
