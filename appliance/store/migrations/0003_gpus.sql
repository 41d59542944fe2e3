-- Who holds which GPU. A row is there from before the container is created until its process is
-- verified gone. No interleaving of writers can book a GPU twice: the index refuses a second hold
-- of whoever wants it alone, the trigger a mix of alone and shared.
CREATE TABLE gpu_hold (
    deployment_id TEXT NOT NULL REFERENCES deployment (id),
    gpu           TEXT NOT NULL,
    device        TEXT NOT NULL,                -- its CDI name when it was taken
    exclusive     INTEGER NOT NULL CHECK (exclusive IN (0, 1)),
    vram_mb       INTEGER CHECK (vram_mb > 0),
    since_us      INTEGER NOT NULL,
    PRIMARY KEY (deployment_id, gpu)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX gpu_hold_alone ON gpu_hold (gpu) WHERE exclusive = 1;
CREATE TRIGGER gpu_hold_mixed BEFORE INSERT ON gpu_hold
WHEN EXISTS (SELECT 1 FROM gpu_hold WHERE gpu = NEW.gpu AND (exclusive = 1 OR NEW.exclusive = 1))
BEGIN
    SELECT RAISE(ABORT, 'the GPU is held already');
END;

-- The line of those who wait for GPUs: first come, first served.
CREATE TABLE gpu_line (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment_id TEXT NOT NULL UNIQUE REFERENCES deployment (id)
) STRICT;

-- What a deployment held last, as a JSON array: its stopped container was made for these, and is
-- used again where they are free.
CREATE TABLE gpu_last (
    deployment_id TEXT PRIMARY KEY REFERENCES deployment (id),
    gpus          TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Whose container a process lives in.
CREATE INDEX deployment_container ON deployment (container_id)
    WHERE container_id IS NOT NULL AND deleted_us IS NULL;

-- Accounting: how many GPUs a stretch of time in `running` had, and the energy they took, by hour.
ALTER TABLE usage ADD COLUMN gpus INTEGER NOT NULL DEFAULT 0;
CREATE INDEX usage_started ON usage (start_us);
CREATE TABLE energy (
    deployment_id TEXT NOT NULL REFERENCES deployment (id),
    hour          INTEGER NOT NULL,             -- hours since 1970
    energy_mj     INTEGER NOT NULL CHECK (energy_mj >= 0),
    PRIMARY KEY (deployment_id, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX energy_hour ON energy (hour);
