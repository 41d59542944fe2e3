"""The first start: nobody has an account, and a one-time link makes the first admin.

There is no default account (OWASP ASVS 5.0, 6.3.2). The link is for whoever can read the
terminal or the data directory; its code stands behind a ``#``, so no server ever logs it.
"""

import hmac
import logging
import secrets
from pathlib import Path

from appliance.auth.accounts import Accounts, Login
from appliance.clock import Clock
from appliance.domain.errors import NotFound, NotPermitted
from appliance.private_file import write_private

CODE_BYTES = 16
LIFE_US = 60 * 60 * 1_000_000

log = logging.getLogger(__name__)


class Setup:
    """Hands out the link while no admin can log in, and takes its code once.

    Args:
        file: where the link lies too, for its owner alone; gone when it is used.
        address: what the link begins with, such as ``http://127.0.0.1:8080``.
    """

    def __init__(self, accounts: Accounts, clock: Clock, file: Path, address: str) -> None:
        self._accounts = accounts
        self._clock = clock
        self._file = file
        self._address = address
        self._code: str | None = None
        self._until_boot_us = 0

    async def announce(self) -> None:
        """Says at the start how to make the first admin, if there is none."""
        if await self.needed():
            log.warning("nobody can log in yet; make the first admin link=%s", await self.link())
        else:
            self._forget()

    async def needed(self) -> bool:
        """Whether no admin can log in by password."""
        return not await self._accounts.has_admin()

    async def link(self) -> str:
        """A fresh link, good for an hour; an older one opens nothing any more.

        Raises:
            NotFound: there is an admin already.
        """
        if not await self.needed():
            raise _done()
        self._code = secrets.token_urlsafe(CODE_BYTES)
        self._until_boot_us = self._clock.now().boot_us + LIFE_US
        link = f"{self._address}/ui/setup#code={self._code}"
        write_private(self._file, f"{link}\n".encode())
        return link

    async def complete(self, code: str, email: str, password: str) -> Login:
        """Makes the first admin and logs them in.

        Raises:
            NotFound: there is an admin already.
            NotPermitted: the code is not the one of the last link, or it is older than an hour.
            InvalidRequest, NameTaken: as ``Accounts.create_user``; the code stays good.
        """
        if not await self.needed():
            raise _done()
        if not self._holds(code):
            raise NotPermitted(
                "the set-up code is not valid any more; `appliance setup` gives a fresh link"
            )
        made = await self._accounts.create_first_admin(email, password)
        self._forget()
        return made

    def _holds(self, code: str) -> bool:
        known = self._code
        in_time = self._clock.now().boot_us < self._until_boot_us
        return known is not None and in_time and hmac.compare_digest(known.encode(), code.encode())

    def _forget(self) -> None:
        self._code = None
        self._file.unlink(missing_ok=True)


def _done() -> NotFound:
    return NotFound("this appliance is set up: there is an admin")
