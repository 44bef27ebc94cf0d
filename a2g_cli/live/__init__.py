"""What a running command publishes for people who watch it from elsewhere, and the request to stop that it hears.

A run has a folder in the workspace's ``live/``: ``state.json`` and small images, each replaced as a whole a few times in
a second. Whoever shows them (``a2g view``) reads files and shares nothing with the control loop.
"""
