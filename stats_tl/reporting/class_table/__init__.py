"""Reports of predictions of several classes, or of ordinal grades."""
