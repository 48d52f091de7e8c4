"""The exposition of what was committed: series in memory, their admission, and the page of a scrape."""
