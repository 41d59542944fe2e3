"""Whether NVIDIA's driver is here, told without NVIDIA's own binding to it."""

import ctypes

from appliance.domain.gpu import Finding

LIBRARY = "libnvidia-ml.so.1"

NOT_LOADED = Finding(
    "nvidia_not_loaded",
    "NVIDIA's driver is installed, but its kernel module is not loaded.",
    "No NVIDIA GPU can be used.",
    "modprobe nvidia",
)
NO_LIBRARY = Finding(
    "nvidia_no_driver",
    "There is an NVIDIA GPU, but no NVIDIA driver.",
    "It can't be used by deployments.",
    "apt-get install nvidia-driver",
)


def has_library() -> bool:
    """Whether the driver's library can be loaded, as nvidia-ml-py would."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True
