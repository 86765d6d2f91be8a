"""Many compiled models, trained together as one graph."""
