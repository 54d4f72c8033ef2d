"""What several families of tests stand on: validation, placements, resampling, wording."""
