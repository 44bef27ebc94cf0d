"""Cameras: the Protocol, and one file per driver."""
