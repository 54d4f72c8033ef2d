"""Several readers or training runs of the same cases: MRMC analysis."""
