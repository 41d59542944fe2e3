-- What version 0.1.0 left behind: a database of schema 1, as sqlite3's .dump tells it. Never edited.
PRAGMA application_id = 0x4E4E4150;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
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
INSERT INTO "deployment" VALUES('dep_000000000001','user_000000000001','node_000000000001','d1','{"image":"docker.io/ollama/ollama:latest","template_id":"ollama","command":null,"env":{"OLLAMA_MODELS":"llama2,mistral"},"base_env":{"OLLAMA_HOST":"0.0.0.0"},"secret_names":[],"ports":[{"port":11434,"protocol":"http","name":null}],"volumes":[{"name":"models","path":"/root/.ollama"}],"resources":{"cpus":null,"memory_mb":2048,"shm_mb":null,"gpus":0},"access":"public","hostname":null,"health":{"path":"/","port":null,"start_period_s":60},"restart_policy":"on-failure","parameters":[{"name":"OLLAMA_MODELS","values":["llama2","mistral"],"command":["ollama","pull","{value}"]}]}',NULL,NULL,3600,'running',1,0,'running',1,1,1,NULL,'unknown',0,0,NULL,NULL,'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',4242,1900,NULL,'{"11434": 20100}','11111111-2222-3333-4444-555555555555',100000000,NULL,2,1768473000000000,1768473000000000,1768473000000000,NULL,NULL);
INSERT INTO "deployment" VALUES('dep_000000000002','user_000000000001','node_000000000001','d2','{"image":"docker.io/ollama/ollama:latest","template_id":"ollama","command":null,"env":{"OLLAMA_MODELS":"llama2,mistral"},"base_env":{"OLLAMA_HOST":"0.0.0.0"},"secret_names":[],"ports":[{"port":11434,"protocol":"http","name":null}],"volumes":[{"name":"models","path":"/root/.ollama"}],"resources":{"cpus":null,"memory_mb":2048,"shm_mb":null,"gpus":0},"access":"public","hostname":null,"health":{"path":"/","port":null,"start_period_s":60},"restart_policy":"on-failure","parameters":[{"name":"OLLAMA_MODELS","values":["llama2","mistral"],"command":["ollama","pull","{value}"]}]}',NULL,NULL,3600,'stopped',2,0,'stopped',2,1,1,'{"code": "stopped", "message": "Stopped"}','unknown',0,0,143,NULL,'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',NULL,NULL,NULL,'{"11434": 20100}','11111111-2222-3333-4444-555555555555',100000000,NULL,4,1768473000000000,1768473090000000,1768473000000000,1768473090000000,NULL);
INSERT INTO "deployment" VALUES('dep_000000000003','user_000000000001','node_000000000001','d3','{"image":"docker.io/ollama/ollama:latest","template_id":"ollama","command":null,"env":{"OLLAMA_MODELS":"llama2,mistral"},"base_env":{"OLLAMA_HOST":"0.0.0.0"},"secret_names":[],"ports":[{"port":11434,"protocol":"http","name":null}],"volumes":[{"name":"models","path":"/root/.ollama"}],"resources":{"cpus":null,"memory_mb":2048,"shm_mb":null,"gpus":0},"access":"public","hostname":null,"health":{"path":"/","port":null,"start_period_s":60},"restart_policy":"on-failure","parameters":[{"name":"OLLAMA_MODELS","values":["llama2","mistral"],"command":["ollama","pull","{value}"]}]}',NULL,NULL,3600,'deleted',2,0,'running',1,1,1,NULL,'unknown',0,0,NULL,NULL,'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',4242,1900,NULL,'{"11434": 20100}','11111111-2222-3333-4444-555555555555',100000000,NULL,3,1768473000000000,1768473090000000,1768473000000000,NULL,1768473090000000);
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
INSERT INTO "event" VALUES(1,'dep_000000000001','user_000000000001',1768473000000000,'created','pending',NULL,'Created','user_000000000001');
INSERT INTO "event" VALUES(2,'dep_000000000002','user_000000000001',1768473000000000,'created','pending',NULL,'Created','user_000000000001');
INSERT INTO "event" VALUES(3,'dep_000000000003','user_000000000001',1768473000000000,'created','pending',NULL,'Created','user_000000000001');
CREATE TABLE idempotency (
    user_id     TEXT NOT NULL,
    key         TEXT NOT NULL,
    body_sha256 BLOB NOT NULL,
    created_us  INTEGER NOT NULL,
    answer      TEXT NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "idempotency" VALUES('user_000000000001','k',X'7878787878787878787878787878787878787878787878787878787878787878',1768473000000000,'{}');
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('instance','nn0badcafe');
CREATE TABLE node (
    id           TEXT PRIMARY KEY,
    created_us   INTEGER NOT NULL,
    heartbeat_us INTEGER NOT NULL,
    up_us        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO "node" VALUES('node_000000000001',1768473000000000,1768473090000000,90000000);
CREATE TABLE provision (
    container_id TEXT NOT NULL,
    parameter    TEXT NOT NULL,
    value        TEXT NOT NULL,
    done_us      INTEGER NOT NULL,
    PRIMARY KEY (container_id, parameter, value)
) STRICT, WITHOUT ROWID;
INSERT INTO "provision" VALUES('cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc','OLLAMA_MODELS','llama2',1768473000000000);
CREATE TABLE tally (
    owner_id TEXT NOT NULL,
    shown    TEXT NOT NULL,
    n        INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (owner_id, shown)
) STRICT, WITHOUT ROWID;
INSERT INTO "tally" VALUES('user_000000000001','pending',0);
INSERT INTO "tally" VALUES('user_000000000001','running',1);
INSERT INTO "tally" VALUES('user_000000000001','stopped',1);
INSERT INTO "tally" VALUES('user_000000000001','stopping',0);
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
INSERT INTO "token" VALUES('tok_1','user_000000000001','api','ci','write',X'0000000000000000000000000000000000000000000000000000000000000000',1768473000000000,4000000000000000,NULL);
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
INSERT INTO "usage" VALUES('dep_000000000001',1,3600,'11111111-2222-3333-4444-555555555555',1768473000000000,100000000,100000000,1768472900000000,NULL);
INSERT INTO "usage" VALUES('dep_000000000002',1,3600,'11111111-2222-3333-4444-555555555555',1768473000000000,100000000,100000000,1768472900000000,190000000);
INSERT INTO "usage" VALUES('dep_000000000003',1,3600,'11111111-2222-3333-4444-555555555555',1768473000000000,100000000,100000000,1768472900000000,190000000);
CREATE TABLE user (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL COLLATE NOCASE UNIQUE,
    role          TEXT NOT NULL CHECK (role IN ('admin', 'user')),
    password_hash TEXT,              -- NULL: can't log in by password (the machine's owner, by socket)
    disabled      INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_us    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "user" VALUES('user_000000000001','ada@example.org','admin',NULL,0,1768473000000000);
CREATE INDEX token_user ON token (user_id);
CREATE INDEX deployment_listed ON deployment (created_us DESC, id DESC) WHERE desired <> 'deleted';
CREATE INDEX deployment_owned ON deployment (owner_id, created_us DESC, id DESC) WHERE desired <> 'deleted';
CREATE INDEX deployment_shown ON deployment (shown, created_us DESC, id DESC) WHERE desired <> 'deleted';
CREATE INDEX deployment_owned_shown ON deployment (owner_id, shown, created_us DESC, id DESC)
    WHERE desired <> 'deleted';
CREATE INDEX deployment_unsettled ON deployment (id)
    WHERE deleted_us IS NULL AND (desired = 'deleted' OR intent > observed_intent
                                  OR status NOT IN ('stopped', 'failed'));
CREATE UNIQUE INDEX deployment_hostname ON deployment (hostname)
    WHERE hostname IS NOT NULL AND desired <> 'deleted';
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
CREATE UNIQUE INDEX usage_open ON usage (deployment_id) WHERE end_boot_us IS NULL;
CREATE INDEX event_deployment ON event (deployment_id, seq);
CREATE INDEX event_owner ON event (owner_id, seq);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('event',3);
COMMIT;
