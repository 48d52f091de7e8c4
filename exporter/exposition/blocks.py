"""A block: some hundred rows of sample lines, as one template and a list of values.

A scrape of a block that has not changed costs nothing: its deflated piece is kept until a value changes. Rows are added
and dropped in a list of lines, which is joined again when the block is next rendered. Only the template is kept as
text: the body is made from it in 0.1 us a line, and kept only for scrapes without gzip. The template of a block that
is full, or that several scrapes found unchanged, is kept deflated until changes come often: most series of a resource
change seldom, and their text takes more memory than anything else of it.
"""

from array import array

from isal import isal_zlib

from exporter.exposition.gzip_members import LEVEL, Piece, deflate
from exporter.exposition.text_format import HOLE, Labels

CAPACITY = 1024  # values a block; the price of one changed value is one block, about 0.2 ms
LOOSE = 64  # lines that wait to be joined
REST = 8  # scrapes without a change, after which a template is deflated; that takes about as long as to render it


class Block:
    """Rows of equal width; a row of width N has N lines and N values.

    Callers may write to ``values``, and then set ``stale``. ``times`` has an entry for each row that was added with a
    time. A block whose lines have exemplars, by the index of their value, has two bodies: with and without them.
    """

    __slots__ = (
        "_added",
        "_bodies",
        "_exemplars",
        "_hot",
        "_lines",
        "_packed",
        "_pieces",
        "_template",
        "_unchanged",
        "keys",
        "stale",
        "times",
        "values",
        "width",
    )

    def __init__(self, width: int) -> None:
        self.width = width
        self.stale = True
        self.keys: list[Labels] = []
        self.values: list[float] = []
        self.times = array("q")
        self._template = b""
        self._packed = b""  # the template, deflated; the template is then empty
        self._unchanged = REST
        self._hot = False  # whether changes come often
        self._added: list[bytes] = []
        self._lines: list[bytes] | None = None
        self._exemplars: dict[int, tuple[int, bytes]] = {}
        self._bodies: dict[bool, bytes] = {}  # by whether exemplars stand in it
        self._pieces: dict[bool, Piece] = {}

    @property
    def full(self) -> bool:
        """Whether the block has no room for another row."""
        return bool(self.values) and len(self.values) + self.width > CAPACITY

    def add(self, key: Labels, lines: list[bytes], at: int | None) -> int:
        """Add a row of zeros; return the index of its first value."""
        self._added += lines
        if len(self._added) >= LOOSE:
            self._join()
        self.keys.append(key)
        self.values += [0] * self.width
        if at is not None:
            self.times.append(at)
        self.stale = True
        if self.full and self._lines is None and not self._hot:
            self._pack()
        return len(self.values) - self.width

    def point(self, place: int, at: int, exemplar: bytes) -> None:
        """Give the value at ``place`` an exemplar, unless it has one of a later time."""
        if place not in self._exemplars or at >= self._exemplars[place][0]:
            self._exemplars[place] = (at, exemplar)
            self.stale = True

    def drop(self, start: int) -> Labels | None:
        """Remove the row that begins at ``start``; return the key of the last row if that moved into its place."""
        row, end, lines = start // self.width, start + self.width, self._split()
        lines[start:end] = lines[-self.width :]
        self.values[start:end] = self.values[-self.width :]
        del lines[-self.width :], self.values[-self.width :]
        for place in range(start, end) if self._exemplars else ():
            moved = self._exemplars.pop(place - start + len(self.values), None)
            if moved is None or place >= len(self.values):
                self._exemplars.pop(place, None)
            else:
                self._exemplars[place] = moved
        if self.times:
            self.times[row] = self.times[-1]
            del self.times[-1]
        self.stale = True
        last = self.keys.pop()
        if row == len(self.keys):
            return None
        self.keys[row] = last
        return last

    def body(self, *, exemplars: bool = False) -> bytes:
        """Return the sample lines as text."""
        kind = self._kind(exemplars)
        if kind not in self._bodies:
            self._bodies[kind] = self._render(kind)
        return self._bodies[kind]

    def piece(self, *, exemplars: bool = False) -> Piece:
        """Return the sample lines deflated."""
        kind = self._kind(exemplars)
        if kind not in self._pieces:
            self._pieces[kind] = deflate(self._bodies.get(kind) or self._render(kind))
        return self._pieces[kind]

    def _kind(self, exemplars: bool) -> bool:
        if self.stale:
            self.stale = False
            self._hot = self._unchanged < REST
            self._unchanged = 0
            self._bodies.clear()
            self._pieces.clear()
        else:
            self._unchanged += 1
            if self._unchanged >= REST and not self._packed:
                self._pack()
        return exemplars and bool(self._exemplars)

    def _render(self, exemplars: bool) -> bytes:
        if not exemplars:
            return self._render_values()
        lines = self._render_values().split(b"\n")
        for place, (_, exemplar) in self._exemplars.items():
            if self.values[place]:  # a series that is still held at 0 has nothing to show
                lines[place] += exemplar
        return b"\n".join(lines)

    def _render_values(self) -> bytes:
        template = self._text()
        if float in set(map(type, self.values)):  # rare in counters, and %d is twice as fast as %a
            template = template.replace(HOLE + b"\n", b" %a\n")
        return template % tuple(self.values)

    def _text(self) -> bytes:
        """Return the template; it stays deflated while changes are rare."""
        if self._packed and not self._added and not self._hot:
            return isal_zlib.decompress(self._packed)
        self._join()
        return self._template

    def _pack(self) -> None:
        """Deflate the template."""
        self._join()
        self._packed, self._template = isal_zlib.compress(self._template, LEVEL), b""

    def _join(self) -> None:
        """Join loose lines to the template: many small objects would cost more memory than their text."""
        if self._packed:
            self._packed, self._template = b"", isal_zlib.decompress(self._packed)
        lines = self._added if self._lines is None else self._lines + self._added
        self._template = b"".join([self._template, *(line + b"\n" for line in lines)])
        self._added, self._lines = [], None

    def _split(self) -> list[bytes]:
        if self._lines is None:
            self._join()
            self._lines = self._template.split(b"\n")
            self._lines.pop()
            self._template = b""
        elif self._added:
            self._lines += self._added
            self._added = []
        return self._lines
