"""The handlers about the machine, for its admins: registries and settings."""

import re

from starlette.responses import Response

from appliance.api import render_machine
from appliance.api.call import Call
from appliance.api.queries import RegistryBody
from appliance.api.render import answer
from appliance.domain.errors import FieldError, InvalidRequest, NotFound

REGISTRY_HOST = re.compile(
    r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?"
)


async def list_registries(call: Call) -> Response:
    """Lists the registries that are logged in at, without their passwords."""
    return answer(
        {"registries": [render_machine.registry(r) for r in call.services.registries.logins()]}
    )


async def put_registry(call: Call) -> Response:
    """Sets the login at a registry; it counts from the next pull on."""
    body = await call.body(RegistryBody)
    made = call.services.registries.put(_host(call), body.username, body.password)
    return answer({"registry": render_machine.registry(made)})


async def delete_registry(call: Call) -> Response:
    """Forgets the login at a registry."""
    host = _host(call)
    if not call.services.registries.remove(host):
        raise NotFound(f"no login at {host}")
    return answer({"success": True})


async def list_settings(call: Call) -> Response:
    """Lists the settings in force, what they mean and where they come from."""
    return answer({"settings": [render_machine.setting(s) for s in call.services.settings]})


def _host(call: Call) -> str:
    host = call.path("host")
    if not REGISTRY_HOST.fullmatch(host):
        text = "should be a registry's host, with its port if it has one: registry.example:5000"
        raise InvalidRequest(FieldError("host", text))
    return host
