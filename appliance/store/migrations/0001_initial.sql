-- Times are microseconds: *_us of the wall clock (UTC since 1970), *_boot_us of CLOCK_BOOTTIME
-- within the boot that boot_id names. JSON columns hold what no query looks into (no json_valid
-- checks: SQLite calls that function unsafe in a schema while trusted_schema is off).

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE node (
    id           TEXT PRIMARY KEY,
    created_us   INTEGER NOT NULL,
    heartbeat_us INTEGER NOT NULL,
    up_us        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL COLLATE NOCASE UNIQUE,
    role          TEXT NOT NULL CHECK (role IN ('admin', 'user')),
    password_hash TEXT,              -- NULL: can't log in by password (the machine's owner, by socket)
    disabled      INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_us    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL CHECK (kind IN ('session', 'api')),
    name         TEXT NOT NULL,
    scope        TEXT NOT NULL CHECK (scope IN ('read', 'write')),
    sha256       BLOB NOT NULL CHECK (length(sha256) = 32),
    created_us   INTEGER NOT NULL,
    expires_us   INTEGER NOT NULL,
    last_used_us INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX token_user ON token (user_id);

CREATE TABLE deployment (
    id               TEXT PRIMARY KEY,
    owner_id         TEXT NOT NULL REFERENCES user (id),
    node_id          TEXT NOT NULL,
    name             TEXT NOT NULL,
    spec             TEXT NOT NULL,
    secrets          BLOB,
    hostname         TEXT,
    rate_cents       INTEGER NOT NULL CHECK (rate_cents >= 0),
    -- the API's axis
    desired          TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'deleted')),
    intent           INTEGER NOT NULL,
    restart_intent   INTEGER NOT NULL DEFAULT 0,
    -- the reconciler's axis
    status           TEXT NOT NULL CHECK (status IN
                     ('pending', 'pulling', 'starting', 'running', 'stopping', 'stopped', 'failed')),
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
    -- What a caller sees: an accepted order shows at once, though only the reconciler writes status.
    shown            TEXT NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN desired = 'stopped' AND status <> 'stopped' THEN 'stopping'
            WHEN desired = 'running' AND intent > observed_intent
                 AND status IN ('stopped', 'failed', 'stopping') THEN 'starting'
            WHEN desired = 'running' AND restart_intent > started_intent
                 AND status IN ('running', 'stopping', 'stopped') THEN 'starting'
            ELSE status
        END
    ) STORED
) STRICT, WITHOUT ROWID;

-- The list pages: newest first, of one owner or of all, of one status or of any.
CREATE INDEX deployment_listed ON deployment (created_us DESC, id DESC) WHERE desired <> 'deleted';
CREATE INDEX deployment_owned ON deployment (owner_id, created_us DESC, id DESC) WHERE desired <> 'deleted';
CREATE INDEX deployment_shown ON deployment (shown, created_us DESC, id DESC) WHERE desired <> 'deleted';
CREATE INDEX deployment_owned_shown ON deployment (owner_id, shown, created_us DESC, id DESC)
    WHERE desired <> 'deleted';
-- The reconciler at start: everything that is not where it should rest.
CREATE INDEX deployment_unsettled ON deployment (id)
    WHERE deleted_us IS NULL AND (desired = 'deleted' OR intent > observed_intent
                                  OR status NOT IN ('stopped', 'failed'));
CREATE UNIQUE INDEX deployment_hostname ON deployment (hostname)
    WHERE hostname IS NOT NULL AND desired <> 'deleted';

-- How many deployments each owner has in each shown status, kept by the triggers below, so that a
-- page's total costs nothing however many there are.
CREATE TABLE tally (
    owner_id TEXT NOT NULL,
    shown    TEXT NOT NULL,
    n        INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (owner_id, shown)
) STRICT, WITHOUT ROWID;

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

-- One row for each stretch of time in `running`; what it costs is derived from these alone.
CREATE TABLE usage (
    deployment_id TEXT NOT NULL REFERENCES deployment (id),
    seq           INTEGER NOT NULL,
    rate_cents    INTEGER NOT NULL,
    boot_id       TEXT NOT NULL,
    start_us      INTEGER NOT NULL,
    start_boot_us INTEGER NOT NULL,
    last_boot_us  INTEGER NOT NULL CHECK (last_boot_us >= start_boot_us),
    offset_us     INTEGER NOT NULL,             -- wall minus boot clock at last_boot_us
    end_boot_us   INTEGER CHECK (end_boot_us >= start_boot_us),
    PRIMARY KEY (deployment_id, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX usage_open ON usage (deployment_id) WHERE end_boot_us IS NULL;

-- A deployment's history and the feed of all changes: what happened, when, why.
CREATE TABLE event (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment_id TEXT NOT NULL,
    owner_id      TEXT NOT NULL,
    at_us         INTEGER NOT NULL,
    type          TEXT NOT NULL,
    status        TEXT,
    code          TEXT,
    message       TEXT NOT NULL,
    actor_id      TEXT
) STRICT;
CREATE INDEX event_deployment ON event (deployment_id, seq);
CREATE INDEX event_owner ON event (owner_id, seq);

-- Values of template parameters (a model to fetch) that are done in a container.
CREATE TABLE provision (
    container_id TEXT NOT NULL,
    parameter    TEXT NOT NULL,
    value        TEXT NOT NULL,
    done_us      INTEGER NOT NULL,
    PRIMARY KEY (container_id, parameter, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    user_id     TEXT NOT NULL,
    key         TEXT NOT NULL,
    body_sha256 BLOB NOT NULL,
    created_us  INTEGER NOT NULL,
    answer      TEXT NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;
