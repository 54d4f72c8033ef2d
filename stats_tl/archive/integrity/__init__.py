"""Whether an archive is what was written: every byte, and what its files say of each other."""
