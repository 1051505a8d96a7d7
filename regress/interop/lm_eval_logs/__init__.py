"""lm-eval's sample logs, in."""
