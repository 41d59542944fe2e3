-- A share of a GPU that its holder does not use for now: 'lent' while others may have it, 'returned'
-- once it is kept for the holder again, until the holder has taken the memory back.
ALTER TABLE gpu_hold ADD COLUMN loan TEXT CHECK (loan IN ('lent', 'returned'));
