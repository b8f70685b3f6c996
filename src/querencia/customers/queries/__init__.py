"""Reading the central database: lists, search, one customer, imports."""
