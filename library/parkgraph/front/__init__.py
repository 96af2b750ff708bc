"""The front door: `/api/v1`, the same at the lot and in the cloud."""
