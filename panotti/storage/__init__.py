"""What is kept: the database, its schema and the statements on it."""
