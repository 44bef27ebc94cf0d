"""Domain transforms: how a deployment differs from the training domain, measured on practice and undone around a policy."""
