"""Cameras: the Protocol, and one file a driver."""
