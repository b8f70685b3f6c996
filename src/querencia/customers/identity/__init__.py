"""Who is who: what is known of somebody, which customers that points at, which of them are one person."""

from querencia.customers.identity.known import KINDS, Known, cleaned, is_blocked

__all__ = ["KINDS", "Known", "cleaned", "is_blocked"]
