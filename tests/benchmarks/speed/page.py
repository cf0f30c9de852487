"""How soon the page is there: first paint, and the time until cameras and events are shown.

python -m tests.benchmarks.speed.page [--rounds 10]
A daemon with the profile `colour`, four cameras (a test pattern of 640 x 360), and 53 stored events; Chromium without
a window, on the same machine by loopback. *Cold*: a browser that knows nothing of the page. *Warm*: the second visit.
Milliseconds from the beginning of the navigation, for docs/figures.md. `first paint` is the browser's own
`first-contentful-paint`.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.programs.page import ENDLESS, RULES, Site, chromium, logged_in, stored_events, until

FIRST_PAINT_MS = 1000.0  # the most that it may take
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
SHOWN = "document.querySelectorAll('.camera').length === 4 && document.querySelector('a.event') !== null"


def visits(browser: Any, site: Site) -> Iterator[tuple[str, float, float]]:
    """Yield first paint and time until all is shown, of a first visit and of a second."""
    context = logged_in(browser, site)
    page = context.new_page()
    for kind in ("cold", "warm"):
        page.goto("/", wait_until="commit")
        until(page, SHOWN)
        shown = page.evaluate("performance.now()")
        until(page, f"{PAINT} > 0")
        yield kind, page.evaluate(PAINT), shown
    context.close()


def main() -> None:
    """Print the figures; fail if the first paint is too late."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    found: dict[str, list[tuple[float, float]]] = {"cold": [], "warm": []}
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        stored_events(folder)
        cameras = {f"pattern{n}": {"url": ENDLESS, "audio": False} for n in range(4)}
        site = Site(folder, cameras=cameras, events=RULES)
        site.start()
        for _ in range(rounds + 1):
            for kind, paint_ms, shown_ms in visits(browser, site):
                found[kind].append((paint_ms, shown_ms))
        site.stop()
    for kind, all_times in found.items():
        times = all_times[1:]  # the first round warms up the browser
        painted, shown = [one for one, _ in times], [one for _, one in times]
        print(
            f"{kind}: first paint {statistics.median(painted):.0f} ms (worst {max(painted):.0f}), "
            f"all shown {statistics.median(shown):.0f} ms (worst {max(shown):.0f}), {len(times)} visits"
        )
    worst = statistics.median(one for one, _ in found["cold"][1:])
    if worst > FIRST_PAINT_MS:
        raise SystemExit(f"first paint after {worst:.0f} ms; at most {FIRST_PAINT_MS:.0f}")


if __name__ == "__main__":
    main()
