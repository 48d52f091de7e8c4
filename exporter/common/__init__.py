"""Small leaves that several packages share."""
