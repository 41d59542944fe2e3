"""The machine as the engine shows it, in the wire's names and shapes, beside ``render.py``."""

from dataclasses import asdict

from appliance.api.render import Json, camel
from appliance.config import SettingInForce
from appliance.domain.instant import rfc3339
from appliance.domain.permissions import Principal
from appliance.engine.backups import Received
from appliance.engine.views import GpuView, NodeView
from appliance.host.doctor import Check
from appliance.runtime.credentials import RegistryLogin
from appliance.store.audit import Entry


def node(n: NodeView, caller: Principal) -> Json:
    """This machine; whose deployments hold its GPUs only their owners and admins are told."""
    specs = camel(asdict(n.specs))
    return {
        "id": n.id,
        "operatorId": n.operator_id,
        "name": n.name,
        "status": n.status,
        "specs": specs | {"podmanVersion": n.podman_version},
        "available": camel(asdict(n.room)) | {"gpus": sum(gpu.free for gpu in n.gpus)},
        "gpus": [_gpu(gpu, caller) for gpu in n.gpus],
        "region": n.region,
        "country": n.country,
        "hourlyRateCents": n.hourly_rate_cents,
        "gpuHourlyRateCents": n.gpu_hourly_rate_cents,
        "activeDeployments": n.active_deployments,
        "maxDeployments": n.max_deployments,
        "uptimePercent": n.uptime_percent,
        "lastHeartbeat": rfc3339(n.last_heartbeat),
        "createdAt": rfc3339(n.created_at),
    }


def check(c: Check) -> Json:
    """One finding of the doctor."""
    return asdict(c)


def audit_entry(e: Entry) -> Json:
    """Who did what, from where, with which result."""
    what = e.what
    return {
        "id": e.seq,
        "at": rfc3339(e.at),
        "action": what.action,
        "object": what.object,
        "result": what.result,
        "code": what.code,
        "actorId": what.actor_id,
        "actor": what.actor,
        "tokenId": what.token_id,
        "address": what.address,
    }


def setting(s: SettingInForce) -> Json:
    """A setting, its value as one would write it."""
    return {"name": s.name, "value": s.value, "source": s.source, "help": s.help}


def registry(r: RegistryLogin) -> Json:
    """A login at a registry, without its password."""
    return {"host": r.host, "username": r.username}


def _gpu(g: GpuView, caller: Principal) -> Json:
    facts = camel(asdict(g.reading.gpu))
    del facts["key"]
    all_of_them = caller.sees is None
    return facts | {
        "vramUsedMb": g.reading.vram_used_mb,
        "utilizationPercent": g.reading.utilization_percent,
        "powerWatts": g.reading.power_watts,
        "temperatureC": g.reading.temperature_c,
        "holders": [
            {
                "deploymentId": h.deployment_id if caller.sees in (None, h.owner_id) else None,
                "vramMb": h.used_mb,
                "shareMb": h.share_mb,
                "exclusive": h.exclusive,
            }
            for h in g.holders
        ],
        "foreignVramMb": g.foreign_mb,
        "leaked": [
            {"deploymentId": i if all_of_them else None, "vramMb": mb} for i, mb in g.leaked.items()
        ],
    }


def received(r: Received) -> Json:
    """A backup that was taken in, and what it holds."""
    return {
        "id": r.id,
        "bytes": r.size_bytes,
        "deployments": r.contents.deployments,
        "users": r.contents.users,
        "ofThisMachine": r.own,
        "warning": r.warning,
    }
