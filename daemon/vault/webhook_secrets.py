"""Addresses and signing secrets of outgoing webhooks: sealed at rest, opened to send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import SecretStr

from daemon.core import deliveries
from daemon.core.errors import Permanent
from daemon.store.webhook_endpoints import Endpoint
from daemon.vault.cipher import Cipher

# Sealed with the ciphertext, so that neither a row nor a column can be exchanged for another.
_URL: Final = "webhook address"
_SECRET: Final = "webhook secret"  # noqa: S105 — what it is, not what is in it


@dataclass(frozen=True, slots=True)
class Opened:
    """Where to send, and with which secrets to sign: two while one takes over from the other."""

    url: str
    secrets: tuple[bytes, ...]


def seal_url(cipher: Cipher, endpoint_id: int, url: str) -> bytes:
    """Seal an endpoint's address."""
    return cipher.seal(endpoint_id, _URL, SecretStr(url))


def seal_secret(cipher: Cipher, endpoint_id: int, secret: bytes) -> bytes:
    """Seal an endpoint's signing secret."""
    return cipher.seal(endpoint_id, _SECRET, SecretStr(deliveries.written(secret)))


def open_endpoint(cipher: Cipher, endpoint: Endpoint, now: datetime) -> Opened:
    """Open what a delivery needs; raises Permanent where none of our keys fits."""
    sealed = [endpoint.secret]
    if (
        endpoint.old_secret is not None
        and endpoint.old_secret_until is not None
        and endpoint.old_secret_until > now
    ):
        sealed.append(endpoint.old_secret)
    try:
        url = cipher.open(endpoint.endpoint_id, _URL, endpoint.url)
        secrets = [cipher.open(endpoint.endpoint_id, _SECRET, each) for each in sealed]
    except Permanent as error:
        raise Permanent(
            f"the address or the secret of notification {endpoint.endpoint_id} cannot be decrypted: put the key"
            " back that it was stored with (vault.keys), or remove it and add it anew"
        ) from error
    return Opened(url.get_secret_value(), tuple(deliveries.read(each.get_secret_value()) for each in secrets))
