"""The gate in words: `rules` name limits, `reasons` say why, `view` puts a verdict together, the rest lay it out."""
