"""Committed results -> gallery, claims, site, README; a recipe -> notebook, a new recipe."""
