"""What the tests have in C, compiled on the spot."""

import atexit
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

FLAGS = ("-Wall", "-Werror", "-shared", "-fPIC")


@cache
def shared_library(source: str, name: str, *flags: str) -> Path:
    """``source`` of this folder as a shared library of that name, made once a process."""
    made = Path(mkdtemp(prefix="nnlib-", dir="/tmp")) / name
    atexit.register(shutil.rmtree, made.parent)
    code = Path(__file__).parent / source
    command = ["gcc", *FLAGS, f"-Wl,-soname,{name}", *flags, "-o", str(made), str(code)]
    subprocess.run(command, check=True)
    return made
