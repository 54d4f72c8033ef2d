"""Numbers: comparisons, verdicts, mixed models, audits; nothing is formatted here."""
