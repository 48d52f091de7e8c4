"""The store in a PostgreSQL database, which one process at a time may write: the leader, by a lease in a row."""
