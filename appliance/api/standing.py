"""Whether a caller may go on: asked again and again while a stream of theirs lasts."""

import logging

import anyio

from appliance.auth.accounts import Accounts
from appliance.domain.errors import StoreFailure
from appliance.domain.permissions import Principal

REVIEW_S = 2.0

log = logging.getLogger(__name__)


async def until_barred(accounts: Accounts, caller: Principal) -> None:
    """Returns once what the caller came with counts no more, or gives other rights than then.

    Where that can't be told now, they may go on.
    """
    while await _stands(accounts, caller):  # noqa: ASYNC110 - a token also ends by its time
        await anyio.sleep(REVIEW_S)


async def _stands(accounts: Accounts, caller: Principal) -> bool:
    try:
        return await accounts.standing(caller.user_id, caller.token_id) == caller
    except StoreFailure as error:
        log.warning("can't tell whether %s may go on: %s", caller.user_id, error)
        return True
