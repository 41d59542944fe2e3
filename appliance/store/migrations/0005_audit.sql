-- Who did what, from where, with which result. Nothing is ever changed or taken out; each entry's
-- digest covers the one before, so that a change behind our back shows.
CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us    INTEGER NOT NULL,
    action   TEXT NOT NULL,
    object   TEXT,
    result   TEXT NOT NULL CHECK (result IN ('ok', 'denied')),
    code     TEXT,
    actor_id TEXT,
    actor    TEXT,
    token_id TEXT,
    address  TEXT,
    sha256   BLOB NOT NULL CHECK (length(sha256) = 32)
) STRICT;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN
    SELECT raise(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit BEGIN
    SELECT raise(ABORT, 'the audit log is append-only');
END;
