"""The cockpit: what managers and analysts see."""
