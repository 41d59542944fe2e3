"""The process's own memory."""

import ctypes
import gc


def gather() -> None:
    """For before a start, which makes no garbage: nobody looks for any until ``settle``.

    Ten thousand rows would be gone through again and again as they come. Not for imports: what
    they leave behind, 2 MiB, would stay for good.
    """
    gc.disable()


def settle() -> None:
    """For after a start, which needs much for a short while: what there is by then stays.

    It is left out of every later collection (``gc.freeze``): else a full one goes through
    all of it again, 40 ms in which nobody is answered. What is free is given to the machine, also
    in the middle of the heap (malloc_trim(3)); glibc alone has that, and a reason to.
    """
    if gc.get_freeze_count():  # a life before this one, of which most is garbage by now
        gc.unfreeze()
        gc.collect()
    gc.freeze()
    gc.enable()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
