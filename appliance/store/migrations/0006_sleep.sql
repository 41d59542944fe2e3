-- Deployments may sleep: wanted so, and being so. A constraint and a generated column can't be
-- altered, so the table is made anew (sqlite.org/lang_altertable, 7); foreign keys are off.
CREATE TABLE deployment_anew (
    id               TEXT PRIMARY KEY,
    owner_id         TEXT NOT NULL REFERENCES user (id),
    node_id          TEXT NOT NULL,
    name             TEXT NOT NULL,
    spec             TEXT NOT NULL,
    secrets          BLOB,
    hostname         TEXT,
    rate_cents       INTEGER NOT NULL CHECK (rate_cents >= 0),
    -- the axis of orders
    desired          TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'sleeping', 'deleted')),
    intent           INTEGER NOT NULL,
    restart_intent   INTEGER NOT NULL DEFAULT 0,
    -- the reconciler's axis
    status           TEXT NOT NULL CHECK (status IN
                     ('pending', 'pulling', 'starting', 'running', 'stopping', 'stopped', 'sleeping', 'failed')),
    observed_intent  INTEGER NOT NULL DEFAULT 0,
    started_intent   INTEGER NOT NULL DEFAULT 0,
    generation       INTEGER NOT NULL DEFAULT 1,
    reason           TEXT,
    health           TEXT NOT NULL DEFAULT 'unknown' CHECK (health IN ('healthy', 'unhealthy', 'unknown')),
    failures         INTEGER NOT NULL DEFAULT 0,
    restart_count    INTEGER NOT NULL DEFAULT 0,
    exit_code        INTEGER,
    handled_run_us   INTEGER,
    container_id     TEXT,
    pid              INTEGER,
    pid_start_ticks  INTEGER,
    log_path         TEXT,
    published        TEXT NOT NULL DEFAULT '{}',
    boot_id          TEXT NOT NULL,
    since_boot_us    INTEGER NOT NULL,
    retry_boot_us    INTEGER,
    version          INTEGER NOT NULL DEFAULT 1,
    created_us       INTEGER NOT NULL,
    updated_us       INTEGER NOT NULL,
    started_us       INTEGER,
    stopped_us       INTEGER,
    deleted_us       INTEGER,                   -- set only when nothing of it is left in Podman
    -- A new spec that is tried beside the one that serves, until it takes over or is given up.
    next_spec        TEXT,
    next_secrets     BLOB,
    next_generation  INTEGER,
    next_boot_id     TEXT,
    next_since_boot_us INTEGER,
    -- The old container was stopped for the new one (they share a volume).
    handover         INTEGER NOT NULL DEFAULT 0 CHECK (handover IN (0, 1)),
    -- A generation's number is never used twice: a container is taken as made if its name is there.
    last_generation  INTEGER NOT NULL DEFAULT 1,
    -- What a caller sees: an accepted order shows at once, though only the reconciler writes status.
    shown            TEXT NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN desired IN ('stopped', 'sleeping') AND status <> desired THEN 'stopping'
            WHEN desired = 'running' AND intent > observed_intent
                 AND status IN ('stopped', 'sleeping', 'failed', 'stopping') THEN 'starting'
            WHEN desired = 'running' AND restart_intent > started_intent
                 AND status IN ('running', 'stopping', 'stopped', 'sleeping') THEN 'starting'
            ELSE status
        END
    ) STORED
) STRICT, WITHOUT ROWID;

INSERT INTO deployment_anew (id, owner_id, node_id, name, spec, secrets, hostname, rate_cents,
    desired, intent, restart_intent, status, observed_intent, started_intent, generation, reason,
    health, failures, restart_count, exit_code, handled_run_us, container_id, pid, pid_start_ticks,
    log_path, published, boot_id, since_boot_us, retry_boot_us, version, created_us, updated_us,
    started_us, stopped_us, deleted_us, next_spec, next_secrets, next_generation, next_boot_id,
    next_since_boot_us, handover, last_generation)
SELECT id, owner_id, node_id, name, spec, secrets, hostname, rate_cents,
    desired, intent, restart_intent, status, observed_intent, started_intent, generation, reason,
    health, failures, restart_count, exit_code, handled_run_us, container_id, pid, pid_start_ticks,
    log_path, published, boot_id, since_boot_us, retry_boot_us, version, created_us, updated_us,
    started_us, stopped_us, deleted_us, next_spec, next_secrets, next_generation, next_boot_id,
    next_since_boot_us, handover, last_generation
FROM deployment;

DROP TABLE deployment;
ALTER TABLE deployment_anew RENAME TO deployment;

-- The list pages: newest first, of one owner or of all, of one status or of any.
CREATE INDEX deployment_listed ON deployment (created_us DESC, id DESC) WHERE desired <> 'deleted';
CREATE INDEX deployment_owned ON deployment (owner_id, created_us DESC, id DESC) WHERE desired <> 'deleted';
CREATE INDEX deployment_shown ON deployment (shown, created_us DESC, id DESC) WHERE desired <> 'deleted';
CREATE INDEX deployment_owned_shown ON deployment (owner_id, shown, created_us DESC, id DESC)
    WHERE desired <> 'deleted';
-- The reconciler at start: everything that is not where it should rest.
CREATE INDEX deployment_unsettled ON deployment (id)
    WHERE deleted_us IS NULL AND (desired = 'deleted' OR intent > observed_intent
                                  OR status NOT IN ('stopped', 'sleeping', 'failed')
                                  OR next_spec IS NOT NULL);
CREATE UNIQUE INDEX deployment_hostname ON deployment (hostname)
    WHERE hostname IS NOT NULL AND desired <> 'deleted';
-- Whose container a process lives in.
CREATE INDEX deployment_container ON deployment (container_id)
    WHERE container_id IS NOT NULL AND deleted_us IS NULL;

CREATE TRIGGER tally_insert AFTER INSERT ON deployment WHEN NEW.desired <> 'deleted' BEGIN
    INSERT INTO tally VALUES (NEW.owner_id, NEW.shown, 1)
        ON CONFLICT (owner_id, shown) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER tally_update AFTER UPDATE ON deployment
WHEN OLD.shown <> NEW.shown OR OLD.desired <> NEW.desired BEGIN
    UPDATE tally SET n = n - 1
        WHERE OLD.desired <> 'deleted' AND owner_id = OLD.owner_id AND shown = OLD.shown;
    INSERT INTO tally SELECT NEW.owner_id, NEW.shown, 1 WHERE NEW.desired <> 'deleted'
        ON CONFLICT (owner_id, shown) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER tally_delete AFTER DELETE ON deployment WHEN OLD.desired <> 'deleted' BEGIN
    UPDATE tally SET n = n - 1 WHERE owner_id = OLD.owner_id AND shown = OLD.shown;
END;
