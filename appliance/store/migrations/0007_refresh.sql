-- An update whose image is fetched anew first, though its tag is the one that serves.
ALTER TABLE deployment ADD COLUMN refresh INTEGER NOT NULL DEFAULT 0 CHECK (refresh IN (0, 1));
