"""Recordings: one HDF5 file an episode. ``recordings/README.md`` is the schema."""
