-- The access token of each private deployment: sealed, for whoever may write the deployment, and
-- as a digest, for the front door.
CREATE TABLE access_token (
    deployment_id TEXT PRIMARY KEY REFERENCES deployment (id),
    sealed        BLOB NOT NULL,
    sha256        BLOB NOT NULL CHECK (length(sha256) = 32),
    created_us    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which port of this machine leads to which raw port of a deployment, for the deployment's life.
CREATE TABLE raw_port (
    host_port     INTEGER PRIMARY KEY CHECK (host_port BETWEEN 1 AND 65535),
    deployment_id TEXT NOT NULL REFERENCES deployment (id),
    port          INTEGER NOT NULL,
    UNIQUE (deployment_id, port)
) STRICT;
