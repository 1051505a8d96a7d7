"""The gate in words: `rules` name limits, `measured` and `reasons` say why each came out so.

`headline`, `notes` and `steps` speak of the whole verdict, and `view` puts it together. `terminal`,
`markdown`, `junit` and `export` lay it out; `policy` explains what a release is held to.
"""
