"""What a benchmark has measured as text for a terminal, as Markdown and as a plot (SVG)."""

from html import escape
from pathlib import Path
from typing import NamedTuple


class Column(NamedTuple):
    """One figure of every handler."""

    key: str
    head: str  # of the table
    title: str  # of the plot
    unit: str
    digits: int
    has_ratio: bool = True  # whether the floor does the same


COLUMNS = [
    Column("init", "init ms", "Start", "ms", 1),
    Column("cold", "cold ms", "First Create", "ms", 1, has_ratio=False),
    Column("warm", "warm ms", "Second Create", "ms", 1, has_ratio=False),
    Column("cpu", "CPU ms", "CPU: start and first Create", "ms", 1),
    Column("memory", "peak MiB", "Peak memory", "MiB", 1),
    Column("zip", "zip KiB", "Package", "KiB", 0),
    Column("calls", "calls", "Calls of AWS in a Create", "", 0, has_ratio=False),
]
# What the ratios are to.
FLOOR = "minimal handler"

BEGIN, END = "<!-- Written by `make bench WRITE=1`: -->", "<!-- until here. -->"


def cells(figures):
    """Names and figures of a table: the handlers, then each as a multiple of the floor."""
    rows = [(name, [f"{values[column.key]:,.{column.digits}f}" for column in COLUMNS]) for name, values in figures.items()]
    floor = figures[FLOOR]
    for name, values in figures.items():
        if name != FLOOR:
            ratios = [f"{values[column.key] / floor[column.key]:.2f}" if column.has_ratio else "" for column in COLUMNS]
            rows.append((f"{name} / {FLOOR}", ratios))
    return rows


def text(figures):
    rows = cells(figures)
    width = max(len(name) for name, _ in rows)
    heads = [column.head for column in COLUMNS]
    lines = [" ".join([f"{name:<{width}}", *(f"{value:>9}" for value in values)]) for name, values in [("", heads), *rows]]
    return "\n".join(lines)


def markdown(figures, conditions):
    """A table, and under which conditions it was measured."""
    lines = [conditions, "", "| | " + " | ".join(column.head for column in COLUMNS) + " |"]
    lines.append("| --- |" + " ---: |" * len(COLUMNS))
    lines += [f"| {name} | " + " | ".join(values) + " |" for name, values in cells(figures)]
    return "\n".join(lines)


def insert(page, body):
    """The page with this between the two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{body}\n{END}{after}"


# Measures of the plot, in pixels. The figure stands to the right of its bar.
PANELS_IN_A_ROW = 2
PANEL, GAP, MARGIN, LABEL, FIGURE = 440, 24, 20, 150, 90
BAR, STEP, HEAD, FOOT = 14, 20, 26, 18
COLOURS = ["#1f6feb", "#6e7781", "#b08800", "#2da44e"]


def svg(figures, conditions):
    """One panel for each column, with a bar for each handler, all from zero."""
    rows = -(-len(COLUMNS) // PANELS_IN_A_ROW)
    height_of_panel = HEAD + STEP * len(figures) + FOOT
    width = 2 * MARGIN + PANELS_IN_A_ROW * PANEL + (PANELS_IN_A_ROW - 1) * GAP
    height = 2 * MARGIN + rows * height_of_panel + 2 * FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" font-family="sans-serif" font-size="12" fill="#1f2328">',
        "<title>elasticache-resource and other handlers of the same job: less is better</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for index, column in enumerate(COLUMNS):
        row, place = divmod(index, PANELS_IN_A_ROW)
        parts += panel(column, figures, MARGIN + place * (PANEL + GAP), MARGIN + row * height_of_panel)
    parts.append(f'<text x="{MARGIN}" y="{height - MARGIN}" font-size="11" fill="#59636e">{escape(conditions)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def panel(column, figures, left, top):
    yield f'<text x="{left}" y="{top + 14}" font-weight="bold">{escape(column.title)}</text>'
    longest = max(values[column.key] for values in figures.values()) or 1
    room = PANEL - LABEL - FIGURE
    for index, (name, values) in enumerate(figures.items()):
        value, y = values[column.key], top + HEAD + index * STEP
        length = room * value / longest
        baseline = y + BAR - 3
        figure = f"{value:,.{column.digits}f} {column.unit}".rstrip()
        yield f'<text x="{left + LABEL - 8}" y="{baseline}" text-anchor="end">{escape(name)}</text>'
        yield f'<rect x="{left + LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{COLOURS[index]}"/>'
        yield f'<text x="{left + LABEL + length + 6:.1f}" y="{baseline}">{figure}</text>'


def write(figures, conditions, page: Path):
    """Renews the table of the page, and the plot of the same name."""
    page.write_text(insert(page.read_text(), markdown(figures, conditions)))
    page.with_suffix(".svg").write_text(svg(figures, conditions))
