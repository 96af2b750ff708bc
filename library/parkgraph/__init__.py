"""What the lot, the cloud and a vehicle share."""
