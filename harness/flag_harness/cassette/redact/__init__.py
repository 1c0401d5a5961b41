"""What is taken out of a recording: headers, filters, keys."""
