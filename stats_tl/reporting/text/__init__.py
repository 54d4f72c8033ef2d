"""Paragraphs, references and the checklist."""
