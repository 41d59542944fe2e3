-- Of a share that is lent or returned: a command to give its memory up, or to take it back, was sent
-- to its holder's process, and nobody has heard that it is done. It may be done late, as the last.
ALTER TABLE gpu_hold ADD COLUMN unheard INTEGER NOT NULL DEFAULT 0 CHECK (unheard IN (0, 1));
