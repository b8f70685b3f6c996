"""Forgetting people: what names them in rows of their own, in facts, in text that belongs to nobody, in files."""
