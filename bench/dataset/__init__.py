"""The data of the benchmark.

    rows         image rows, made by one SQL query; and positions of the ships
    cache        directories below build/bench that are made once for what they are made of
    stores       the stores that are read: A, B, D and E of the list in bench/README.md
    partitions   C: many partitions of few rows
"""
