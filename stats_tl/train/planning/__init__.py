"""Which cells are trained together, how long it takes, whether it fits into memory."""
