"""Tokens at rest: Fernet, newest key first; each ciphertext says whose and what it is."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from daemon.core.errors import Permanent


class Cipher:
    """Seals and opens; the plaintext names athlete and field, so that rows cannot be swapped."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        each = [Fernet(key.get_secret_value()) for key in keys]
        self._newest = each[0]
        self._fernet = MultiFernet(each)

    def seal(self, athlete_id: int, field: str, secret: SecretStr) -> bytes:
        """Encrypt under the newest key."""
        return self._fernet.encrypt(orjson.dumps([athlete_id, field, secret.get_secret_value()]))

    def open(self, athlete_id: int, field: str, sealed: bytes) -> SecretStr:
        """Decrypt under any key; raises Permanent where none fits or the row is somebody else's."""
        try:
            owner, name, secret = orjson.loads(self._fernet.decrypt(sealed))
        except InvalidToken as error:
            raise Permanent(
                f"the {field} of athlete {athlete_id} cannot be decrypted: none of vault.keys fits."
                " Put the key back that it was stored with, or ask the athlete to connect again."
            ) from error
        if (owner, name) != (athlete_id, field):
            raise Permanent(f"the {field} stored for athlete {athlete_id} belongs to another row")
        return SecretStr(secret)

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether this was sealed under the newest key."""
        try:
            self._newest.decrypt(sealed)
        except InvalidToken:
            return False
        return True

    def reseal(self, sealed: bytes) -> bytes:
        """Seal the same under the newest key; raises Permanent where no key opens it."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken as error:
            raise Permanent("none of vault.keys fits") from error


def new_key() -> SecretStr:
    """Make a key for `vault.keys`."""
    return SecretStr(Fernet.generate_key().decode())
