"""What a run measures while it goes on: a2g's own file of metrics, and the experiment trackers that it may go to as well."""
