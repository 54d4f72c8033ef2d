"""The likelihood of a mixed model, its derivatives, and its maximum."""
