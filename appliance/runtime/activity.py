"""How busy Podman's service is, so that storing a large layer is not taken for a stalled pull.

While a layer of several gigabytes is unpacked the pull says nothing for minutes (measured on
4.3.1); the bytes the service writes meanwhile (proc(5), ``/proc/<pid>/io``) tell the difference.
"""

import socket
import struct
from pathlib import Path

PEER_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid (unix(7), SO_PEERCRED)
CONNECT_S = 1.0


def bytes_written(socket_path: str) -> int | None:
    """Everything the process behind a unix socket has written so far, to files and pipes.

    None where it can't be told: the service is not there, elsewhere, or another user's.
    """
    try:
        status = Path(f"/proc/{_listener(socket_path)}/io").read_text()
    except OSError:
        return None
    fields = dict(line.split(": ") for line in status.splitlines())
    return int(fields["wchar"])


def _listener(socket_path: str) -> int:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(CONNECT_S)
        peer.connect(socket_path)
        size = PEER_CREDENTIALS.size
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid: int = PEER_CREDENTIALS.unpack(credentials)[0]
    return pid
