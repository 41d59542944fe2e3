"""The door: takes connections, counts them, keeps their deadlines, and closes in good order."""

import asyncio
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import anyio

from appliance.engine.addresses import Address
from appliance.ingress.connection import HEAD_S, Connection
from appliance.ingress.directory import plain_ip
from appliance.ingress.doorstep import Doorstep
from appliance.ingress.hall import Hall
from appliance.ingress.rewrite import Sender
from appliance.ingress.sealed import receive
from appliance.ingress.seams import Grant

CHECK_S = 1.0
REVIEW_S = 2.0
BREATH_S = 0.1
KEEPALIVE = {
    socket.TCP_KEEPIDLE: 60,
    socket.TCP_KEEPINTVL: 10,
    socket.TCP_KEEPCNT: 6,
}
"""Streams have no deadline, so the kernel asks whether the client is still there (tcp(7))."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caps:
    """How many connections at once: of everybody, and of one IP address."""

    connections: int
    per_address: int


class Door:
    """The listening sockets, plain and TLS; ``run`` serves them."""

    def __init__(
        self, hall: Hall, caps: Caps, plain: Sequence[socket.socket], tls: Sequence[socket.socket]
    ) -> None:
        self._hall = hall
        self._doorstep = Doorstep(hall)
        self._caps = caps
        self._plain = plain
        self._tls = tls

    def moved(self, address: Address) -> None:
        """A deployment's address changed: nobody waits for an answer from where it was."""
        for guest in tuple(self._hall.guests):
            guest.moved(address)

    def under_way(self, ports: frozenset[int]) -> int:
        """How many requests, streams and WebSockets among them, those loopback ports answer."""
        return sum(guest.is_answered_by(ports) for guest in self._hall.guests)

    async def run(self, stopping: anyio.Event, grace_s: float) -> None:
        """Serves until ``stopping``; then requests under way get ``grace_s``."""
        try:
            await self._serve(stopping)
        finally:
            for sock in (*self._plain, *self._tls):
                sock.close()
        await self._see_off(grace_s)

    async def _serve(self, stopping: anyio.Event) -> None:
        async with anyio.create_task_group() as tasks:
            for sock in self._plain:
                tasks.start_soon(self._accept, sock, False)
            for sock in self._tls:
                tasks.start_soon(self._accept, sock, True)
            tasks.start_soon(self._check)
            tasks.start_soon(self._review)
            await stopping.wait()
            tasks.cancel_scope.cancel()

    async def _accept(self, listener: socket.socket, secure: bool) -> None:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, peer = await loop.sock_accept(listener)
            except OSError as error:  # out of descriptors, or the client has left already
                log.warning("accept failed error=%s", error)
                await anyio.sleep(BREATH_S)
                continue
            ip = plain_ip(peer[0])
            if not self._has_room(ip):
                self._doorstep.turn_away(sock, ip, secure=secure)
                continue
            self._hall.by_ip[ip] += 1
            self._hall.tasks.start_soon(self._receive, sock, ip, secure)

    def _has_room(self, ip: str) -> bool:
        by_ip = self._hall.by_ip
        return by_ip.total() < self._caps.connections and by_ip[ip] < self._caps.per_address

    async def _receive(self, sock: socket.socket, ip: str, secure: bool) -> None:
        """Makes a guest of a socket; one that fails to shake hands is nobody."""
        own_ip = plain_ip(sock.getsockname()[0])
        inside = ip_address(own_ip).is_loopback and ip_address(ip).is_loopback
        guest = Connection(
            self._hall, Sender(ip, secure), own_ip, redirects=not secure and not inside
        )
        try:
            _keep_alive(sock)
            await receive(guest, sock, self._hall.context(secure=secure), within_s=HEAD_S)
        except OSError as error:
            log.debug("handshake failed address=%s error=%s", ip, error)
            sock.close()
            self._hall.gave_up(ip)

    async def _check(self) -> None:
        while True:
            self._hall.now_s = asyncio.get_running_loop().time()
            self._hall.boot_us = self._hall.clock.now().boot_us
            for guest in tuple(self._hall.guests):
                guest.check(self._hall.now_s)
            await self._hall.clock.sleep(CHECK_S)

    async def _review(self) -> None:
        """Ends what was let in on what counts no more: a token that was revoked, say."""
        while True:
            await self._hall.clock.sleep(REVIEW_S)
            for grant in {guest.grant for guest in self._hall.guests} - {None}:
                if not await self._hall.gate.stands(grant):
                    self._turn_out(grant)

    def _turn_out(self, grant: Grant) -> None:
        for guest in tuple(self._hall.guests):
            if guest.grant == grant:
                guest.abort()

    async def _see_off(self, grace_s: float) -> None:
        guests = self._hall.guests
        for guest in tuple(guests):
            guest.leave()
        with anyio.move_on_after(grace_s):
            await self._hall.empty()
        for guest in tuple(guests):
            guest.abort()


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
