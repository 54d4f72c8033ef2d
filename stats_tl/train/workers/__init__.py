"""Who does the work: backends, and rounds of claimed chunks."""
