"""The shell of the link to the cloud."""
