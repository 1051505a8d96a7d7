"""Several versions of a model in words, cells and pictures: terminal, HTML page, JSON."""
