"""Who may reach a private deployment: its access token, and tickets for browsers."""

from starlette.responses import Response

from appliance.api import render
from appliance.api.call import Call
from appliance.api.queries import TicketQuery
from appliance.api.render import answer
from appliance.auth.tickets import LIFE_S
from appliance.domain.deployment import Access
from appliance.domain.errors import Conflict
from appliance.engine.views import DeploymentView, Endpoint

ENTRANCE = "/.appliance/enter?ticket="


async def read_access(call: Call) -> Response:
    """Shows who may reach a deployment, and the access token of a private one."""
    found = await call.services.deployments.access(call.caller, call.path("id"))
    return answer({"access": render.access(found)})


async def rotate_access(call: Call) -> Response:
    """Replaces the access token of a private deployment."""
    made = await call.services.deployments.rotate_access(call.caller, call.path("id"))
    return answer({"access": render.access(made)})


async def make_ticket(call: Call) -> Response:
    """Makes a link that opens a private deployment in a browser, once."""
    q = call.query(TicketQuery)
    view = await call.services.deployments.get(call.caller, call.path("id"))
    endpoint = _door_of(view, q.port)
    ticket = call.services.tickets.issue(call.caller, view.deployment.id)
    url = f"{endpoint.url}{ENTRANCE}{ticket}"
    return answer({"url": url, "expiresInSeconds": LIFE_S}, 201)


def _door_of(view: DeploymentView, port: int | None) -> Endpoint:
    d = view.deployment
    if d.spec.access is not Access.PRIVATE:
        raise Conflict(f"{d.id} is public: open its endpoint as it is")
    for endpoint in view.endpoints:
        if endpoint.type == "https" and port in (None, endpoint.internal_port):
            return endpoint
    where = "an HTTPS endpoint" if port is None else f"an HTTPS endpoint for its port {port}"
    raise Conflict(f"{d.id} is {d.shown} and has not got {where} now")
