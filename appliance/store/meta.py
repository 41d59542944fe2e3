"""What the installation knows of itself."""

import secrets

from appliance.store.database import Database

REMEMBER = """
INSERT INTO meta (key, value) VALUES ('instance', :value) ON CONFLICT DO NOTHING
"""

SELECT = "SELECT value FROM meta WHERE key = 'instance'"


async def instance_prefix(db: Database) -> str:
    """What every container name of this instance begins with; made at the first start."""
    async with db.transaction() as tx:
        await tx.execute(REMEMBER, {"value": f"nn{secrets.token_hex(4)}"})
        [row] = await tx.execute(SELECT)
    return str(row["value"])
