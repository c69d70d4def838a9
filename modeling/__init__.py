"""Reads marts, fits, checks, publishes to ``model_output``. Nothing here yet but the place."""
