"""Pairs -> Comparison: estimates of every task, the worst flips, and what to know before relying on them."""
