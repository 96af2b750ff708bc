"""What the lot answers behind the front door."""
