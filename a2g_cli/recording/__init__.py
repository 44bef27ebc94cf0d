"""HDF5 recordings: one file an episode, readable by robomimic, append-only."""
