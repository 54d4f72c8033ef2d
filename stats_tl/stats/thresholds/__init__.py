"""Sensitivity, specificity and agreement at a fixed threshold."""
