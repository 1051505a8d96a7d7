"""One file a command: its options, and what it prints. Each `add` hangs it under `regress`."""
