"""What there is to choose from: networks, losses; and what this machine has (``doctor``)."""
