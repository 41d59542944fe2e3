-- The steps in a row that were refused. Until now they were counted with the crashes, so that one that
-- had crashed a few times was given up at the first refusal.
ALTER TABLE deployment ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0 CHECK (refusals >= 0);
