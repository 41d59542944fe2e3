"""The handlers about who calls: login, tokens, users."""

from starlette.responses import Response

from appliance.api import render
from appliance.api.call import Call
from appliance.api.queries import (
    LoginBody,
    PasswordBody,
    SetupBody,
    TokenBody,
    UserBody,
    UserChangeBody,
)
from appliance.api.render import answer


async def setup_state(call: Call) -> Response:
    """Tells whether the first admin is still to be made."""
    return answer({"needed": await call.services.setup.needed()})


async def set_up(call: Call) -> Response:
    """Makes the first admin with the code of the one-time link, and logs them in."""
    body = await call.body(SetupBody)
    call.tried_email = body.email
    made = await call.services.setup.complete(body.code, body.email, body.password)
    return answer(render.login(made), 201)


async def make_setup_link(call: Call) -> Response:
    """Makes a fresh one-time link; the older one opens nothing any more."""
    return answer({"link": await call.services.setup.link()})


async def login(call: Call) -> Response:
    """Exchanges e-mail and password for a token."""
    body = await call.body(LoginBody)
    call.tried_email = body.email
    made = await call.services.accounts.login(body.email, body.password, call.address)
    return answer(render.login(made))


async def logout(call: Call) -> Response:
    """Ends the token it is called with."""
    await call.services.accounts.logout(call.caller)
    return answer({"success": True})


async def change_password(call: Call) -> Response:
    """Changes the caller's own password and ends their other sessions."""
    body = await call.body(PasswordBody)
    await call.services.accounts.change_password(call.caller, body.current, body.new, call.address)
    return answer({"success": True})


async def me(call: Call) -> Response:
    """Shows who calls."""
    found = await call.services.accounts.me(call.caller)
    return answer({"user": render.user(found), "scope": call.caller.scope})


async def list_tokens(call: Call) -> Response:
    """Lists the caller's API tokens."""
    found = await call.services.accounts.tokens(call.caller)
    return answer({"tokens": [render.token(t) for t in found]})


async def create_token(call: Call) -> Response:
    """Creates an API token; its text is shown this once."""
    body = await call.body(TokenBody)
    made = await call.services.accounts.create_token(
        call.caller, body.name, body.scope, body.expires_at
    )
    return answer(render.issued(made), 201)


async def revoke_token(call: Call) -> Response:
    """Revokes one of the caller's API tokens."""
    await call.services.accounts.revoke_token(call.caller, call.path("id"))
    return answer({"success": True})


async def list_users(call: Call) -> Response:
    """Lists the users."""
    return answer({"users": [render.user(u) for u in await call.services.accounts.users()]})


async def create_user(call: Call) -> Response:
    """Creates a user."""
    body = await call.body(UserBody)
    made = await call.services.accounts.create_user(body.email, body.role, body.password)
    return answer({"user": render.user(made)}, 201, {"Location": f"/users/{made.id}"})


async def get_user(call: Call) -> Response:
    """Shows a user."""
    return answer({"user": render.user(await call.services.accounts.user(call.path("id")))})


async def change_user(call: Call) -> Response:
    """Changes a user's role or password, or bars the user."""
    body = await call.body(UserChangeBody)
    changed = await call.services.accounts.update_user(
        call.path("id"), role=body.role, disabled=body.disabled, password=body.password
    )
    return answer({"user": render.user(changed)})


async def delete_user(call: Call) -> Response:
    """Deletes a user who has no deployments."""
    await call.services.accounts.delete_user(call.path("id"))
    return answer({"success": True})
