"""Neuranet Appliance: the deployments API of the Neuranet network, self-hosted.

The rooms, each importing only those to its right (import-linter keeps it so)::

    cli → supervisor → api → engine | auth → store | runtime | host → config | clock | log → domain
"""

__version__ = "0.1.0"
