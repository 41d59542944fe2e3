"""A server of token streams: ``python -m tests.bench.token_streams PORT``.

Every stream gets an event each 20 ms that holds the time at which it was sent.
"""

import asyncio
import sys
import time

import uvloop

PERIOD_S = 0.02
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"X-Accel-Buffering: no\r\n\r\n"  # nginx passes events on at once only if it is told so
)


async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if not await reader.readline():
        return  # somebody who only looked whether we listen
    writer.write(HEAD)
    while not writer.is_closing():
        event = b"data: %d\n\n" % time.monotonic_ns()
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await asyncio.sleep(PERIOD_S)


async def main(port: int) -> None:
    server = await asyncio.start_server(stream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
