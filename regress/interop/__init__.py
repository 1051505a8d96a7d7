"""Answers that others recorded, in; ours, out."""
