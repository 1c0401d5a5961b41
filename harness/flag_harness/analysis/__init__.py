"""What recorded traffic says. Pure: no I/O."""
