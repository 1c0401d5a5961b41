"""The border between a test and the network, which `transports.network` puts up and takes down.

Each module watches one way to cross it, such as sockets, child processes or event loops.
"""
