"""Networks and what they begin with: backbones, heads, weights, preprocessing."""
