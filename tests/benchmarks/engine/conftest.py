"""Nothing here is a test; importing it takes seconds."""

collect_ignore_glob = ["*.py"]
