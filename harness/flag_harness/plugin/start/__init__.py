"""Start the plugin: look cheaply for any use of the harness, and configure the rest of the plugin once there is one."""
