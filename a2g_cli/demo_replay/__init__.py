"""Replaying the expert trajectories that a base keeps: the policy that follows them, and the labels that they give."""
