"""Sees to it that the image of the welcome template is on this machine."""

import logging

from appliance.clock import Clock
from appliance.domain.errors import RuntimeFailure
from appliance.host import welcome
from appliance.runtime.imports import import_image
from appliance.runtime.podman import PodmanRuntime

AGAIN_S = 10.0

log = logging.getLogger(__name__)


async def make_image(url: str, runtime: PodmanRuntime) -> bool:
    """Makes it, where it is not there yet; False: Podman does not answer."""
    busybox = welcome.find_busybox()
    if busybox is None:
        log.warning("no static busybox: the welcome template has no image (install busybox-static)")
        return True
    archive = welcome.build_archive(busybox)
    exact = f"{welcome.REPOSITORY}:{welcome.digest(archive)}"
    try:
        if await runtime.image(exact) is None:
            tags = (exact, welcome.REFERENCE)
            await import_image(url, tags, archive, welcome.changes(archive))
    except RuntimeFailure as error:
        log.warning("the welcome image is not made yet: %s", error)
        return False
    return True


async def make_image_later(url: str, runtime: PodmanRuntime, clock: Clock) -> None:
    """As ``make_image``, until Podman answers."""
    while not await make_image(url, runtime):
        await clock.sleep(AGAIN_S)
