"""The parts of `transports.network`, which refuses the network to a test. Each module watches one way to reach the
network.
"""
