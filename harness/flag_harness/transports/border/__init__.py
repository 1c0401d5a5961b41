"""The parts of the guard in `transports.network`. Each module watches one route to the network."""
