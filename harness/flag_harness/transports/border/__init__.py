"""The parts of the guard in `transports.network`: what it watches, one route to the network per module."""
