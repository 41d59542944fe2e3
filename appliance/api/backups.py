"""The handlers of backups: sent out, taken in, put in place; for the machine's admins."""

from starlette.responses import Response, StreamingResponse

from appliance.api.call import Call, UnsupportedMediaType
from appliance.api.render import answer
from appliance.api.render_machine import received

MEDIA_TYPE = "application/vnd.sqlite3"
UPLOAD_TYPE = "application/octet-stream"
MAX_BYTES = 4 * 1024**3


async def make_backup(call: Call) -> Response:
    """Sends a consistent copy of the database."""
    chunks = await call.services.backups.make()
    headers = {"Content-Disposition": 'attachment; filename="appliance.db"'}
    return StreamingResponse(chunks, headers=headers, media_type=MEDIA_TYPE)


async def receive_backup(call: Call) -> Response:
    """Takes a backup in to be restored and tells what it holds; nothing changes yet."""
    kind = call.header("content-type") or "nothing"
    if kind != UPLOAD_TYPE:
        raise UnsupportedMediaType(f"send {UPLOAD_TYPE}, not {kind}")
    made = await call.services.backups.receive(call.pieces(MAX_BYTES))
    return answer({"restore": received(made)}, 201, {"Location": f"/restore/{made.id}"})


async def confirm_restore(call: Call) -> Response:
    """Restarts the appliance with the backup in place of its database, which is kept beside."""
    await call.services.backups.confirm(call.path("id"))
    return answer({"success": True, "message": "The appliance restarts"}, 202)


async def drop_restore(call: Call) -> Response:
    """Forgets a backup that was taken in."""
    call.services.backups.drop(call.path("id"))
    return answer({"success": True})
