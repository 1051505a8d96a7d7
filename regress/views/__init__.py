"""A comparison as something to look at.

Numbers are formatted in `numbers` and nowhere else; words are put together in `settings`,
`sentences`, `rows` and `view` and nowhere else. The renderers lay out what these have made.
"""
