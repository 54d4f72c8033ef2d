"""The experiment as data: plan, cells and pairs, splits. Pure: no images, no torch."""
