"""Several tasks or data sets as the unit: ranks, paired tests, effect sizes."""
