"""The pages behind links that mute or judge: they ask first, because programs follow links to preview them."""

from html import escape

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Watchword</title>
<h1>Watchword</h1>
{content}
</html>
"""


def confirm_page(camera: str, event: str) -> str:
    """Return the page that a GET shows: its button sends a POST to the same URL. Without scripts and styles."""
    what = f"alerts of <strong>{escape(event or 'all events')}</strong> on <strong>{escape(camera)}</strong>"
    form = '<form method="post"><button type="submit">Mute for one hour</button></form>'
    return _PAGE.format(content=f"<p>Send no {what} for an hour?</p>\n{form}")


def done_page(camera: str, event: str, until: str) -> str:
    """Return the page that answers the POST; ``until`` is the local time when alerts come again."""
    what = f"<strong>{escape(event or 'All events')}</strong> on <strong>{escape(camera)}</strong>"
    return _PAGE.format(content=f"<p>{what}: no alerts until {escape(until)}.</p>")


def judge_page(verdict: str) -> str:
    """Return the page that a GET of a link of feedback shows; its button sends a POST to the same URL."""
    what = "is what its rule describes" if verdict == "right" else "is a false alert"
    form = '<form method="post"><button type="submit">Say so</button></form>'
    return _PAGE.format(content=f"<p>Say that this event {what}? The rule learns from it.</p>\n{form}")


def judged_page(verdict: str) -> str:
    """Return the page that answers the POST."""
    return _PAGE.format(content=f"<p>Thank you. The event is noted as {escape(verdict)}.</p>")


def refused_page(why: str) -> str:
    """Return the page for a link that is not valid."""
    return _PAGE.format(content=f"<p>Nothing was changed: {escape(why)}.</p>")
