"""Colours and numbers as Grafana shows them."""

COLOURS = {
    "green": "#73bf69",
    "yellow": "#fade2a",
    "blue": "#5794f2",
    "orange": "#ff9830",
    "red": "#f2495c",
    "purple": "#b877d9",
}
PALETTE = (
    "#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#b877d9", "#8ab8ff", "#ffa6b0", "#37872d", "#e0b400", "#1f60c4",
    "#fa6400", "#8f3bb8", "#c0d8ff", "#96d98d", "#ffee52", "#ca95e5", "#ffcb7d", "#3274d9",
)  # fmt: skip
PAGE, PANEL, EDGE, TEXT, FAINT, GRID = "#111217", "#181b1f", "#2c3235", "#d8d9da", "#8e8e99", "#2a2d33"


def colour(name: str) -> str:
    """A colour of Grafana by name; others are what they are."""
    return COLOURS.get(name, name)


def by_value(value: float, steps: list[dict[str, object]]) -> str:
    """The colour that thresholds give to a value."""
    reached = [step for step in steps if step["value"] is None or value >= float(str(step["value"]))]
    return colour(str(reached[-1]["color"]))


def number(value: float, unit: str, decimals: int | None = None) -> str:
    """A value with its unit."""
    match unit:
        case "s":
            return _duration(value)
        case "percentunit":
            return f"{value * 100:.{1 if decimals is None else decimals}f} %"
        case "bytes":
            return f"{value / 2**20:.0f} MiB"
        case "reqps":
            return f"{value:.3g} req/s"
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    return f"{value:,.0f}" if value == round(value) else f"{value:.3g}"


def _duration(value: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.3g} s" if abs(value) >= 1 or value == 0 else f"{value * 1000:.3g} ms"
