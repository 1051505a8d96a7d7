"""Making a new model from an old one: recipes with claims that are checked before anything is kept."""
