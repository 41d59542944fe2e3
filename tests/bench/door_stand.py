"""A front door as a process: ``python -m tests.bench.door_stand PORT TLS_PORT BACKEND PEM``."""

import ssl
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import anyio
import uvloop

from appliance.clock import SystemClock
from appliance.config.parse import Address
from appliance.engine.activity import Activity
from appliance.engine.addresses import Addresses
from appliance.engine.drains import Drains
from appliance.ingress.assembly import Doorway, assemble
from appliance.ingress.door import Caps
from appliance.ingress.leaves import server_context
from appliance.listeners import tcp
from tests.ingress.doorlab import ROW
from tests.ingress.stand_ins import NoWaker, OpenGate, PlainPages


class OneCertificate:
    """The same for every name, as the peers have it."""

    def __init__(self, pem: str) -> None:
        self.context = server_context()
        self.context.load_cert_chain(pem)

    def asked_name(self, connection: ssl.SSLObject) -> str | None:
        del connection
        return None


async def main(port: int, tls_port: int, backend: int, pem: str) -> None:
    addresses, clock = Addresses(), SystemClock()
    addresses.written(replace(ROW, published={80: backend}))
    async with anyio.create_task_group() as tasks:
        door = assemble(
            Doorway(
                domain="localhost", https_port=tls_port,
                api_socket=Path(tempfile.gettempdir()) / "no-api", addresses=addresses,
                drains=Drains(clock, addresses, 0), activity=Activity(clock), clock=clock,
                gate=OpenGate(), pages=PlainPages(),
                waker=NoWaker(), certificates=OneCertificate(pem), caps=Caps(2000, 2000),
                plain=[tcp(Address("127.0.0.1", port))], tls=[tcp(Address("127.0.0.1", tls_port))],
                tasks=tasks,
            )
        )  # fmt: skip
        await door.run(anyio.Event(), 0)


if __name__ == "__main__":
    own_port, own_tls_port, backend_port = map(int, sys.argv[1:4])
    uvloop.run(main(own_port, own_tls_port, backend_port, sys.argv[4]))
