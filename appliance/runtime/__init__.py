"""The only containers: everything the house knows of Podman is in this room.

``port.py`` is what the engine sees; ``podman.py`` and ``streams.py`` are behind it (podman-py for
the request verbs, httpx on the same socket for what must be cancelled: pull, events, exec);
``spec.py`` decides, purely, what a container may be given; ``logfile.py`` reads the log file
itself; ``service.py`` finds or runs Podman's API service.
"""
