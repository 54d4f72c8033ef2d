"""Before the study: power, sample size, detectable differences, simulated designs."""
