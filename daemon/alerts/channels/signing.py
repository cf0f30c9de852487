"""Signatures of webhooks as Standard Webhooks defines them: https://www.standardwebhooks.com."""

import base64
import hashlib
import hmac

from daemon.config.target_urls import signing_key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header ``webhook-signature``: HMAC-SHA256 of id, Unix time of the attempt, and body."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.digest(signing_key(secret), signed, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"
