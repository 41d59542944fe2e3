-- What Podman was asked for, and for which generation's container, until its answer is seen: it may
-- do so late, whatever is asked meanwhile.
ALTER TABLE deployment ADD COLUMN asked TEXT CHECK (asked IN ('create', 'start'));
ALTER TABLE deployment ADD COLUMN asked_generation INTEGER;
