"""From a formula and a table to matrices: what model is asked for."""
