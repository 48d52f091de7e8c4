"""A block: some hundred rows of sample lines as one template and a list of values; knows nothing of metrics or labels.

A scrape of a block that has not changed costs nothing: its deflated piece is kept until a value changes. Rows are added
and dropped in a list of lines that is joined again when the block is next written out. Only the template is kept as
text: the body is made from it in 0.1 us a line, and kept only for those who scrape without gzip.
"""

from array import array

from exporter.exposition.gzip_members import Piece, deflate
from exporter.exposition.text_format import HOLE, Labels

CAPACITY = 1024  # values a block; the price of one changed value is one block, about 0.2 ms
LOOSE = 64  # lines that wait to be joined


class Block:
    """Rows of equal width: so many lines, and so many values.

    ``values`` may be written by others, who then say that the block is ``stale``. ``times`` is used by those who give a
    time when they add a row. Some lines have an exemplar, by the place of their value: such a block has two bodies.
    """

    __slots__ = (
        "_added",
        "_bodies",
        "_exemplars",
        "_lines",
        "_pieces",
        "_template",
        "keys",
        "stale",
        "times",
        "values",
        "width",
    )

    def __init__(self, width: int) -> None:
        self.width, self.stale = width, True
        self.keys: list[Labels] = []
        self.values: list[float] = []
        self.times = array("q")
        self._template = b""
        self._added: list[bytes] = []
        self._lines: list[bytes] | None = None
        self._exemplars: dict[int, tuple[int, bytes]] = {}
        self._bodies: dict[bool, bytes] = {}  # by whether exemplars stand in it
        self._pieces: dict[bool, Piece] = {}

    @property
    def full(self) -> bool:
        """Whether no row fits any more."""
        return bool(self.values) and len(self.values) + self.width > CAPACITY

    def add(self, key: Labels, lines: list[bytes], at: int | None) -> int:
        """Adds a row of zeros; returns where its first value is."""
        self._added += lines
        if len(self._added) >= LOOSE:
            self._join()
        self.keys.append(key)
        self.values += [0] * self.width
        if at is not None:
            self.times.append(at)
        self.stale = True
        return len(self.values) - self.width

    def point(self, place: int, at: int, exemplar: bytes) -> None:
        """Gives the value at ``place`` an exemplar, unless it has one of a later time."""
        if place not in self._exemplars or at >= self._exemplars[place][0]:
            self._exemplars[place], self.stale = (at, exemplar), True

    def drop(self, start: int) -> Labels | None:
        """Removes the row that begins at ``start``; the last row takes its place. Returns that one's key, if it moved."""
        row, end, lines = start // self.width, start + self.width, self._taken_apart()
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
        """The sample lines as text."""
        kind = self._kind(exemplars)
        if kind not in self._bodies:
            self._bodies[kind] = self._written(kind)
        return self._bodies[kind]

    def piece(self, *, exemplars: bool = False) -> Piece:
        """The sample lines deflated."""
        kind = self._kind(exemplars)
        if kind not in self._pieces:
            self._pieces[kind] = deflate(self._bodies.get(kind) or self._written(kind))
        return self._pieces[kind]

    def _kind(self, exemplars: bool) -> bool:
        if self.stale:
            self.stale = False
            self._bodies.clear()
            self._pieces.clear()
        return exemplars and bool(self._exemplars)

    def _written(self, exemplars: bool) -> bytes:
        if not exemplars:
            return self._plain()
        lines = self._plain().split(b"\n")
        for place, (_, exemplar) in self._exemplars.items():
            if self.values[place]:  # a series that is still held at 0 has nothing to show
                lines[place] += exemplar
        return b"\n".join(lines)

    def _plain(self) -> bytes:
        self._join()
        template = self._template
        if float in set(map(type, self.values)):  # rare in counters, and %d is twice as fast as %a
            template = template.replace(HOLE + b"\n", b" %a\n")
        return template % tuple(self.values)

    def _join(self) -> None:
        """Puts loose lines into the template: many small objects would cost more memory than their text."""
        lines = self._added if self._lines is None else self._lines + self._added
        self._template = b"".join([self._template, *(line + b"\n" for line in lines)])
        self._added, self._lines = [], None

    def _taken_apart(self) -> list[bytes]:
        if self._lines is None:
            self._join()
            self._lines = self._template.split(b"\n")
            self._lines.pop()
            self._template = b""
        elif self._added:
            self._lines += self._added
            self._added = []
        return self._lines
