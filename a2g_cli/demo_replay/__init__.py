"""Replays the expert trajectories that a base keeps, and relabels the recordings of it."""
