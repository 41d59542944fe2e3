-- What a new spec will cost, until it takes over or is given up. Until now the old one was charged so.
ALTER TABLE deployment ADD COLUMN next_rate_cents INTEGER CHECK (next_rate_cents >= 0);
UPDATE deployment SET next_rate_cents = rate_cents WHERE next_spec IS NOT NULL;
