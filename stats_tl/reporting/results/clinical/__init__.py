"""What a clinician asks of two arms: decisions at a threshold, and predicted risks."""
