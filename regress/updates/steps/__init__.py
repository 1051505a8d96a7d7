"""The verbs of a recipe, one file each: a model on paper in, another one and a claim out."""
