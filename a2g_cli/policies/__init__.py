"""Policies: from observations and a goal photo to a plan."""
