"""Policies: from observations and a goal image to a plan."""
