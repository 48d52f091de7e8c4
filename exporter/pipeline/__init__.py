"""One poll from start to commit; decides when to ask and what counts."""
