"""One test set: areas under ROC and precision-recall curves, their intervals and tests."""
