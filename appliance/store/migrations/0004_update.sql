-- A new spec that is tried beside the one that serves, until it takes over or is given up.
ALTER TABLE deployment ADD COLUMN next_spec TEXT;
ALTER TABLE deployment ADD COLUMN next_secrets BLOB;
ALTER TABLE deployment ADD COLUMN next_generation INTEGER;
ALTER TABLE deployment ADD COLUMN next_boot_id TEXT;
ALTER TABLE deployment ADD COLUMN next_since_boot_us INTEGER;
-- The old container was stopped for the new one (they share a volume).
ALTER TABLE deployment ADD COLUMN handover INTEGER NOT NULL DEFAULT 0 CHECK (handover IN (0, 1));
-- A generation's number is never used twice: a container is taken as made if its name is there.
ALTER TABLE deployment ADD COLUMN last_generation INTEGER NOT NULL DEFAULT 1;
UPDATE deployment SET last_generation = generation;

DROP INDEX deployment_unsettled;
CREATE INDEX deployment_unsettled ON deployment (id)
    WHERE deleted_us IS NULL AND (desired = 'deleted' OR intent > observed_intent
                                  OR status NOT IN ('stopped', 'failed') OR next_spec IS NOT NULL);
