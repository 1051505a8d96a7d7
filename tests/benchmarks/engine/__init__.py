"""The fast engine beside lm-eval's `hf`: seconds, memory, and the same answers in the same run."""
