"""The lot's hardware, behind small capability interfaces; one file a make."""
