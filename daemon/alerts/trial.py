"""A test message to a target, sent at once and beside what the daemon sends."""

import secrets
from io import BytesIO

from alignment.errors import WatchwordError
from daemon.alerts.attachments import Picture
from daemon.alerts.channels.base import DeliveryFailed
from daemon.alerts.channels.factory import build_channel
from daemon.alerts.notice import Notice
from daemon.config import Config
from workers.clock import Clock, SystemClock
from workers.events.timestamps import iso


def send_test(config: Config, target: str, clock: Clock | None = None) -> WatchwordError | None:
    """Send a test message with a picture; return why it did not arrive, None if it did."""
    clock = clock or SystemClock()
    now, public_url = clock.wall(), config.alerts.public_url
    notice = Notice(
        id=f"msg_{secrets.token_hex(12)}",
        kind="test",
        title="Test of Watchword",
        lines=(f"This target receives alerts of Watchword ({iso(now)}).",),
        links=(("Open", f"{public_url}/"),) if public_url else (),
        pictures=(_picture(),) if config.alerts.targets[target].pictures else (),
        created=now,
    )
    channel = build_channel(config, target, clock, session=None)
    try:
        channel.send(notice)
    except DeliveryFailed as error:
        return error
    finally:
        channel.close()
    return None


def _picture() -> Picture:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (640, 360), "#1f3a5f")
    ImageDraw.Draw(image).text((40, 150), "Watchword: test", fill="white", font_size=56)
    out = BytesIO()
    image.save(out, format="JPEG", quality=85)
    return Picture("test.jpg", "image/jpeg", out.getvalue())
