"""How parts of a report look: numbers, labels, LaTeX, plain text, files."""
