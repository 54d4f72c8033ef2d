"""Repeated cross-validation: the primary test, its variance, and the tests over folds."""
