"""The gateway: the daemon on the hardware of one parking lot."""
