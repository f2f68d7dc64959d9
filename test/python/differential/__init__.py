"""Random tables, rows, writes and questions, answered by amplify and by a plain DuckDB table that holds the same rows.

    values       types, and SQL literals of their ordinary and odd values
    tables       random schemas, and columns of random rows
    writes       random appends and overwrites, and the same done to the plain table
    questions    random filters and columns, and what the plain table answers
    case         one table, its writes and a question: run, compared, made smaller where it fails
"""
