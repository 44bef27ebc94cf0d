"""How a deployment differs from the training domain: measured from practice, and undone around a policy."""
