"""The platform: everything that starts, configures, packages or demonstrates Millrace."""
