"""A comparison as one self-contained HTML page: the summary, the figures, and a browser of every flip."""
