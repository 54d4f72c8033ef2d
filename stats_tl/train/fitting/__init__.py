"""Fitting: inputs at the freeze boundary, augmentation, one head or many at once."""
