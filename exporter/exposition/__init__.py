"""What leaves the exporter: the exposition, its own metrics and its log. Views of what was committed; they decide nothing."""
