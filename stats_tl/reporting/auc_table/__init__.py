"""Reports of a published table of AUCs, where no scores were kept."""
