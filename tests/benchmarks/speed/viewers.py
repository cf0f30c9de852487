"""What viewers cost the daemon: CPU of the HTTP server with pages that follow events and look at frames.

    python -m tests.benchmarks.speed.viewers [--viewers 50] [--cameras 4] [--events-per-s 1]

Runs the real server and event log in this process, and the viewers in another one. Prints the CPU of the server's
process in per cent of one core: without viewers, with streams only, and with streams and frames as a page fetches them.
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import skimage.data

from alignment.summary.tags import NO_NAMES
from daemon.alerts.store.history import AlertStore
from daemon.api import ApiServices, add_api, is_open_route
from daemon.api.frames import FrameCache
from daemon.api.tail import EventTail
from daemon.captions.store import CaptionStore
from daemon.config.changes import Changes
from daemon.config.loader import config_from
from daemon.feedback.judge import Judge
from daemon.http import Access, HttpServer, build_app
from daemon.observability.snapshot import DaemonSnapshot
from daemon.privacy.stores.uploads import UploadRecords
from daemon.search.service import SearchService
from daemon.summary.library import Library
from tests.support.camera_status import camera_status
from tests.support.events import make_live
from workers.decisions.snapshot import StreamSnapshot
from workers.publish.log.event_log import EventLog
from workers.publish.log.view import LogView
from workers.state_layout import StateLayout
from workers.stream.latest_frame import FrameHolder
from workers.types import FrameBatch


async def look(url: str, cameras: int, with_frames: bool, seconds: float) -> tuple[int, int]:
    """Follow the stream and fetch frames as one page does; return how many messages and frames came."""
    messages, frames, every_s = 0, 0, 1.0
    end = time.monotonic() + seconds
    async with httpx.AsyncClient(
        base_url=url, timeout=30, limits=httpx.Limits(max_connections=6), verify=False
    ) as http:

        async def follow() -> None:
            nonlocal messages, every_s
            async with http.stream("GET", "/api/v1/stream") as answer:
                async for line in answer.aiter_lines():
                    messages += line.startswith("event: revision")
                    if line.startswith('data: {"frame_every_s"'):
                        every_s = json.loads(line[6:])["frame_every_s"]

        following = asyncio.create_task(follow())
        await asyncio.sleep(np.random.uniform(0, 1))
        while time.monotonic() < end:
            if with_frames:
                for number in range(cameras):
                    frames += (await http.get(f"/api/v1/cameras/cam{number}/frame.jpg?width=320")).status_code == 200
            await asyncio.sleep(min(every_s, max(0.0, end - time.monotonic())))
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
    return messages, frames


def watch(
    url: str, viewers: int, cameras: int, with_frames: bool, seconds: float, out: "multiprocessing.Queue"
) -> None:
    async def all_viewers() -> list[tuple[int, int]]:
        return await asyncio.gather(*(look(url, cameras, with_frames, seconds) for _ in range(viewers)))

    out.put(asyncio.run(all_viewers()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--events-per-s", type=float, default=1.0)
    parser.add_argument("--only", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        layout = StateLayout(folder / "state")
        cameras = {f"cam{n}": {"url": f"rtsp://10.0.0.{n + 1}/1"} for n in range(options.cameras)}
        config = config_from(
            {"cameras": cameras, "events": {"cat": {"describe": "a cat"}}, "state_dir": str(layout.root)}, folder
        )
        log = EventLog(layout.event_log)
        holders = {camera: FrameHolder() for camera in cameras}
        snapshot = DaemonSnapshot(cameras=tuple(camera_status(StreamSnapshot(camera)) for camera in cameras))
        services = ApiServices(
            config=lambda: config,
            snapshot=lambda: snapshot,
            access=Access(),
            log=LogView(layout.event_log),
            tail=EventTail(layout.event_log, lambda: snapshot),
            frames=FrameCache(lambda camera: holders[camera].latest()),
            uploads=UploadRecords(layout.uploads),
            alerts=AlertStore(layout.alerts),
            feedback=Judge(layout),
            alerts_folder=layout.alerts,
            store=None,
            take_over=Changes,
            evidence=config.evidence_folder(),
            library=Library(LogView(layout.event_log), layout.index, lambda: NO_NAMES),
            search=SearchService(layout, lambda: config, lambda: None),
            captions=CaptionStore(layout.captions),
        )
        app = build_app(lambda: snapshot, Access(), is_public=is_open_route, extend=lambda app: add_api(app, services))
        server = HttpServer(app, "127.0.0.1", 0)
        server.start()
        stop = threading.Event()

        def happen() -> None:
            """Let cameras give a frame a second, and the log accept events."""
            picture = np.asarray(skimage.data.astronaut())[None, 100:356, 32:480].copy()  # a photograph
            number, due = 0, 0.0
            while not stop.wait(0.1):
                for camera, holder in holders.items():
                    holder.keep(FrameBatch(camera, 0, np.zeros(1), np.full(1, time.time()), picture))
                due += 0.1 * options.events_per_s
                while due >= 1:
                    log.append([make_live(number, camera=f"cam{number % options.cameras}")])
                    number, due = number + 1, due - 1

        threading.Thread(target=happen, daemon=True).start()
        runs = (
            ("no viewers", 0, False),
            ("streams", options.viewers, False),
            ("streams and frames", options.viewers, True),
        )
        for label, viewers, with_frames in runs[options.only :]:
            out: multiprocessing.Queue = multiprocessing.get_context("spawn").Queue()
            if viewers:
                arguments = (server.url, viewers, options.cameras, with_frames, options.seconds, out)
                process = multiprocessing.get_context("spawn").Process(target=watch, args=arguments)
                process.start()
                while len(services.tail._viewers) < viewers:
                    time.sleep(0.1)
            before, began = cpu_s(), time.monotonic()
            time.sleep(0.7 * options.seconds if viewers else 0.3 * options.seconds)
            share = 100 * (cpu_s() - before) / (time.monotonic() - began)
            found = out.get() if viewers else []
            if viewers:
                process.join()
            came = f"{sum(m for m, _ in found)} messages, {sum(f for _, f in found)} frames" if found else ""
            print(f"{label:20} {share:5.1f} % of a core  {came}", flush=True)
        stop.set()
        services.tail.close()
        server.stop()
        log.close()


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
