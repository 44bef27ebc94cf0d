"""The base policy that ships with the package."""
