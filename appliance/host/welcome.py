"""The welcome image, built on this machine from the package's files and a static BusyBox.

It needs no network, so it is the first thing a fresh appliance can run. ``changes`` carries a
label with the digest of everything in the image: equal digests mean there is nothing to build.
"""

import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

REPOSITORY = "localhost/appliance/welcome"
REFERENCE = f"{REPOSITORY}:latest"
DIGEST_LABEL = "network.neuranet.appliance.welcome"
BUSYBOX_PATHS = (Path("/bin/busybox"), Path("/usr/bin/busybox"), Path("/usr/local/bin/busybox"))

CHANGES = (
    'CMD ["/welcome/serve"]',
    "EXPOSE 8080",
    "ENV PATH=/bin",
    "USER 10001:10001",
    "WORKDIR /",
)
FOLDERS = {"bin": 0o755, "dev": 0o755, "etc": 0o755, "proc": 0o555, "sys": 0o555,
           "tmp": 0o1777, "welcome": 0o755}  # fmt: skip
SCRIPTS = ("handle", "serve")
PAGES = ("page.html",)
APPLETS = ("cat", "date", "env", "head", "hostname", "id", "ls", "nc", "ps", "rm", "sed", "sh",
           "sleep", "sort", "tr", "wc")  # fmt: skip

ELF_MAGIC = b"\x7fELF"
PROGRAM_INTERPRETER = 3


def find_busybox(candidates: Iterable[Path] = BUSYBOX_PATHS) -> Path | None:
    """The first statically linked BusyBox of this machine, None if there is none."""
    return next((p for p in candidates if p.is_file() and is_static(p.read_bytes())), None)


def is_static(program: bytes) -> bool:
    """Whether an ELF ``program`` runs without a loader: it has no PT_INTERP (elf(5))."""
    if program[:4] != ELF_MAGIC or len(program) < 64:  # noqa: PLR2004 -- the size of a header
        return False
    order = "<" if program[5] == 1 else ">"
    wide = program[4] == 2  # noqa: PLR2004 -- ELFCLASS64
    (offset,) = struct.unpack_from(order + ("Q" if wide else "I"), program, 32 if wide else 28)
    size, count = struct.unpack_from(order + "HH", program, 54 if wide else 42)
    starts = range(offset, offset + size * count, size)
    types = (struct.unpack_from(order + "I", program, start)[0] for start in starts)
    return PROGRAM_INTERPRETER not in types


def build_archive(busybox: Path) -> bytes:
    """The root filesystem as a tar; the same files always give the same bytes.

    Raises:
        OSError: ``busybox`` can't be read.
    """
    source = files("appliance") / "welcome"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, mode in sorted(FOLDERS.items()):
            archive.addfile(_member(name, tarfile.DIRTYPE, mode))
        _add_file(archive, "bin/busybox", busybox.read_bytes(), 0o755)
        for applet in APPLETS:
            archive.addfile(_member(f"bin/{applet}", tarfile.SYMTYPE, 0o777, target="busybox"))
        for name in (*PAGES, *SCRIPTS):
            mode = 0o755 if name in SCRIPTS else 0o644
            _add_file(archive, f"welcome/{name}", (source / name).read_bytes(), mode)
    return buffer.getvalue()


def digest(archive: bytes) -> str:
    """Names the image: the SHA-256 of the archive and of what is said about it."""
    return hashlib.sha256(archive + json.dumps(CHANGES).encode()).hexdigest()


def changes(archive: bytes) -> tuple[str, ...]:
    """The image's configuration, for ``changes=`` of ``POST /libpod/images/import``."""
    return (*CHANGES, f"LABEL {DIGEST_LABEL}={digest(archive)}")


def _add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = _member(name, tarfile.REGTYPE, mode)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _member(name: str, kind: bytes, mode: int, *, target: str = "") -> tarfile.TarInfo:
    """A member that belongs to root and is as old as time itself, so that builds repeat."""
    member = tarfile.TarInfo(name)
    member.type = kind
    member.mode = mode
    member.linkname = target
    return member
