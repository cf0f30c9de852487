"""A backtest as JSON, for `--json`, the API and the page."""

from typing import Any

from daemon.backtest.estimate import Estimate
from daemon.backtest.run import Backtest
from daemon.backtest.types import CameraResult, Hit, Unjudged


def backtest_document(found: Backtest) -> dict[str, Any]:
    """Return a backtest as plain data; times are Unix seconds, of files stream seconds."""
    spec, period, tally = found.spec, found.period, found.tally
    days = tally.hours / 24
    return {
        "event": spec.name,
        "describe": list(spec.describe),
        "unlike": list(spec.unlike),
        "threshold": spec.threshold,
        "max_false_alerts_per_hour": spec.max_false_alerts_per_hour,
        "since": period.since,
        "until": period.until,
        "judged_hours": round(tally.hours, 4),
        "hits": [hit_document(hit) for hit in found.hits],
        "hits_per_day": round(len(found.hits) / days, 4) if days else None,
        "curve": [
            {"threshold": round(float(level), 4), "hits": int(count), "per_day": round(float(count) / days, 4)}
            for level, count in zip(tally.levels, tally.counts, strict=True)
            if days
        ],
        "budget": found.budget,
        "look_alikes": [
            {"name": one.name, "hits": one.hits, "unlike": one.unlike, "first": one.first} for one in found.look_alikes
        ],
        "cameras": [_camera_document(camera) for camera in found.cameras],
        "warnings": list(found.warnings),
    }


def estimate_document(found: Estimate) -> dict[str, Any]:
    """Return an estimate as plain data; times as in a backtest."""
    moments = [
        {
            "camera": moment.camera,
            "live": moment.live,
            "file": moment.file.file if moment.file else None,
            "start": round(moment.start, 3),
            "end": round(moment.end, 3),
            "score": round(moment.score, 4),
        }
        for moment in found.moments
    ]
    return {"moments": moments, "more": found.more}


def hit_document(hit: Hit) -> dict[str, Any]:
    """Return a hit as plain data."""
    return {
        "id": hit.id,
        "camera": hit.camera,
        "live": hit.live,
        "file": hit.file.file if hit.file else None,
        "start": round(hit.start, 3),
        "end": round(hit.end, 3),
        "score": round(hit.score, 4),
        "peak": round(hit.peak, 4),
        "best": round(hit.best, 3),
        "threshold": None if hit.threshold is None else round(hit.threshold, 4),
        "over_budget": hit.over_budget,
    }


def _camera_document(camera: CameraResult) -> dict[str, Any]:
    return {
        "camera": camera.camera,
        "hits": len(camera.hits),
        "over_budget": sum(hit.over_budget for hit in camera.hits),
        "judged_hours": round(camera.tally.hours, 4),
        "unjudged": [_unjudged(one) for one in camera.unjudged],
    }


def _unjudged(one: Unjudged) -> dict[str, Any]:
    return {"start": round(one.start, 3), "end": round(one.end, 3), "reason": one.reason.value}
