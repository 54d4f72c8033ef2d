"""Tests and intervals for comparing classifiers: arrays in, results out."""

from .results import AUCResult, ConfidenceInterval, DegenerateDataWarning, TestResult

__all__ = ["AUCResult", "ConfidenceInterval", "DegenerateDataWarning", "TestResult"]
