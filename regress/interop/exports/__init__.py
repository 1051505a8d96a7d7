"""Our own runs as files for others, and back."""
