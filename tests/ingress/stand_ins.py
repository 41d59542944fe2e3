"""Stand-ins for what the door is handed: everybody passes, nothing sleeps, words are plain text."""

from appliance.engine.addresses import Address
from appliance.ingress.head import Head
from appliance.ingress.seams import Grant, Passed, Reply, Trouble, Verdict


class OpenGate:
    """Lets everybody pass, for ever."""

    async def admit(self, head: Head, address: Address, client: str, *, secure: bool) -> Verdict:
        del head, address, client, secure
        return Passed(grant=True)

    async def stands(self, grant: Grant) -> bool:
        return bool(grant)


class PlainPages:
    """The code and the words, in one line of text."""

    def tell(self, trouble: Trouble, head: Head | None) -> Reply:
        del head
        retry = trouble.retry_after_s
        extra = () if retry is None else ((b"Retry-After", b"%d" % retry),)
        text = f"{trouble.code}: {trouble.message}\n".encode()
        fields = ((b"Content-Type", b"text/plain; charset=utf-8"), *extra)
        return Reply(trouble.status, fields, text)


class NoWaker:
    """Wakes nothing, and says so at once."""

    async def wake(self, address: Address, *, hold: bool) -> Trouble | None:
        del address, hold
        return None
