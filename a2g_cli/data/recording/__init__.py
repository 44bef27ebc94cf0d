"""Recordings: one HDF5 file per episode. ``recordings/README.md`` describes the schema."""
