"""What a study is measured by: metrics with their words, and what they take of the scores."""
