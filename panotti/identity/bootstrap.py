"""The first administrator, whose key is a secret of the deployment and not a row.

It works when the database does not, which is when somebody needs the guarded detail.
"""

from __future__ import annotations

from typing import Final

from panotti.identity.digests import Digests
from panotti.identity.principal import BOOTSTRAP, Principal, Role

# Its administrators manage all tenants.
OPERATOR: Final = "default"
# As many as a key's id has room for: 80 bits.
DIGITS: Final = 20


class Bootstrap:
    """The key in force, by its digest, and whom it stands for.

    The key's id names the digest: tokens that were issued to another key do not rest on this one.
    """

    def __init__(self, digests: Digests, key: str) -> None:
        self.digest = digests.of(key.encode())
        self._key_id = f"{BOOTSTRAP}-{self.digest.hex()[:DIGITS]}"
        self.principal = Principal(id=BOOTSTRAP, tenant=OPERATOR, role=Role.ADMIN, key_id=self._key_id)

    def replaced(self, principal: Principal) -> bool:
        """Whether the principal rests on a first administrator's key that is not in force any more."""
        return principal.is_bootstrap and principal.key_id != self._key_id
