"""Pages for customers: no account, no password, no script."""
