"""From results to decisions: equivalence, non-inferiority, multiplicity."""
