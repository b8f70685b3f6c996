"""How fast it is and how much memory it takes, on data of any size: ``python -m benchmarks [NAME ...] [--quick]``.

A benchmark is a module of this folder with a function under :func:`benchmarks.registry.benchmark`. Its first paragraph
of documentation stands in the table, all of it in ``docs/benchmarks.md``.
"""
