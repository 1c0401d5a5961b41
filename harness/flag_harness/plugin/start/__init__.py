"""What happens first: a cheap look for any use of the harness, and the start of the plugin if there is one."""
