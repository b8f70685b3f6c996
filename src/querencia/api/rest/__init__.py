"""REST: customers and facts for programs of the business's own. What is asked is told in docs/api.md."""
