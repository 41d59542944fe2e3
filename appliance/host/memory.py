"""The process's own memory."""

import ctypes


def give_back() -> None:
    """Gives what is free to the machine, also in the middle of the heap (malloc_trim(3)).

    For after a start, which needs much for a short while; glibc alone has it, and a reason to.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
