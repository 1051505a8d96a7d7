"""The gate in words: `rules` name limits, `reasons` say why, `view` puts a verdict together.

`terminal`, `markdown`, `junit` and `export` lay it out; `policy` explains what a release is held to.
"""
