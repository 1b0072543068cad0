"""Where boxes and lines of a map are drawn: in columns from left to right, so that few lines cross. Pure.

The method of Sugiyama, Tagawa and Toda, as Graphviz's `dot` has it: lines that go back are turned round, each box gets
a column behind those that lead to it, the order within columns is improved while fewer lines cross, and then boxes move
towards what they are connected with. https://graphviz.org/documentation/TSE93.pdf

The labels of lines have columns of their own, so that they lie on nothing. The same boxes and lines in the same order
give the same picture.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, pairwise, repeat
from typing import Final

_GAP_X: Final = 18.0
_GAP_X_MOST: Final = 90.0
_GAP_Y: Final = 16.0
_GROUP_GAP: Final = 28.0
_SINGLES_WIDTH: Final = 1_150.0
_SWEEPS: Final = 12
_PORT_GAP: Final = 11.0


@dataclass(slots=True, eq=False)
class Box:
    """What is placed: `x`, `y` is its upper left corner. A bend of a line is a box, too."""

    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    column: int = 0

    @property
    def middle(self) -> float:
        """How far down the middle of it is."""
        return self.y + self.height / 2


@dataclass(slots=True, eq=False)
class Line:
    """What leads from one box to another.

    Attributes:
        width: of its label; likewise `height`.
        points: where it goes, from the source to the target; from each second point to the next it is straight.
        label: what has its label in the middle.
        way: the boxes and bends that it goes through, from left to right.
        turned: whether it goes back, from right to left.
    """

    source: Box
    target: Box
    width: float = 0.0
    height: float = 0.0
    points: list[tuple[float, float]] = field(default_factory=list)
    way: list[Box] = field(default_factory=list)
    turned: bool = False

    @property
    def ends(self) -> tuple[Box, Box]:
        """The box on the left, and the one on the right."""
        return (self.target, self.source) if self.turned else (self.source, self.target)

    @property
    def label(self) -> Box:
        """The bend that its label stands at: the last one, where lines that begin together have parted."""
        return self.way[-2]


_Beside = Mapping[Box, list[Box]]


def lay_out(boxes: Sequence[Box], lines: Iterable[Line]) -> tuple[float, float]:
    """Place boxes and lines: what hangs together in columns, one group below the other, and what stands alone in rows.

    A line from a box to itself isn't placed.

    Returns:
        The width and height of all.
    """
    between = [line for line in lines if line.source is not line.target]
    groups = sorted(_groups(boxes, between), key=len, reverse=True)
    width = bottom = 0.0
    for group in (group for group in groups if len(group) > 1):
        right, height = _place([line for line in between if line.source in group], list(group), bottom)
        width, bottom = max(width, right), bottom + height + _GROUP_GAP
    singles = [box for group in groups if len(group) == 1 for box in group]
    step = max((box.width + _GAP_X for box in singles), default=1.0)
    columns = max(1, int(max(width, _SINGLES_WIDTH) // step))
    for first in range(0, len(singles), columns):
        row = singles[first : first + columns]
        for at, box in enumerate(row):
            box.x, box.y = at * step, bottom
            width = max(width, box.x + box.width)
        bottom += max(box.height for box in row) + _GAP_Y
    return width, bottom - (_GAP_Y if singles else _GROUP_GAP)


def _groups(boxes: Sequence[Box], lines: Iterable[Line]) -> Iterator[dict[Box, None]]:
    """Yield what hangs together, in its order."""
    beside: dict[Box, list[Box]] = defaultdict(list)
    for line in lines:
        beside[line.source].append(line.target)
        beside[line.target].append(line.source)
    seen = set[Box]()
    for first in boxes:
        found, waiting = set[Box](), [first]
        while waiting:
            box = waiting.pop()
            if box not in seen:
                seen.add(box)
                found.add(box)
                waiting += beside[box]
        if found:
            yield dict.fromkeys(box for box in boxes if box in found)


def _place(lines: list[Line], group: list[Box], top: float) -> tuple[float, float]:
    """Place a group below `top`; returns how far it reaches to the right, and its height."""
    _set_columns(group, lines)
    left, right = defaultdict[Box, list[Box]](list), defaultdict[Box, list[Box]](list)
    for line in lines:
        first, last = line.ends
        bends = [Box(0.0, 2.0, column=at) for at in range(first.column + 1, last.column)]
        bends[-1].width, bends[-1].height = line.width, max(2.0, line.height)
        line.way = [first, *bends, last]
        for one, other in pairwise(line.way):
            right[one].append(other)
            left[other].append(one)
    ranks: list[list[Box]] = [[] for _ in range(max(box.column for box in group) + 1)]
    for box in _from_the_left(group, right):
        ranks[box.column].append(box)
    ranks = _in_order(ranks, left, right)
    width, height = _set_places(ranks, {bend for line in lines for bend in line.way[1:-1]}, left, right, top)
    for line in lines:
        _draw(line, left, right)
    return width, height


def _set_columns(group: list[Box], lines: list[Line]) -> None:
    place = {box: at for at, box in enumerate(_turned(group, lines))}
    ends = sorted((line.ends for line in lines), key=lambda both: place[both[0]])
    nearest = dict[Box, int]()
    for first, last in ends:
        last.column = max(last.column, first.column + 2)
    for first, last in ends:
        nearest[first] = min(nearest.get(first, last.column), last.column)
    for first in nearest.keys() - {last for _, last in ends}:
        first.column = nearest[first] - 2  # what nothing leads to stands right before what it leads to


def _turned(group: list[Box], lines: list[Line]) -> list[Box]:
    """Turn lines that close a circle; returns the boxes in an order in which all other lines lead on."""
    leaving: dict[Box, list[Line]] = defaultdict(list)
    for line in lines:
        leaving[line.source].append(line)
    done, order = dict[Box, bool](), list[Box]()
    for root in sorted(group, key={line.target for line in lines}.__contains__):
        waiting = [] if root in done else [(root, iter(leaving[root]))]
        done.setdefault(root, False)
        while waiting:
            box, rest = waiting[-1]
            following = next(rest, None)
            if following is None:
                done[box] = True
                order.append(waiting.pop()[0])
            elif following.target not in done:
                done[following.target] = False
                waiting.append((following.target, iter(leaving[following.target])))
            else:
                following.turned = not done[following.target]  # it leads to where the way comes from
    return order[::-1]


def _from_the_left(group: list[Box], right: _Beside) -> Iterator[Box]:
    """Yield boxes and bends as one comes to them on the way: what belongs together comes together."""
    seen, waiting = set[Box](), sorted(group, key=lambda box: box.column)[::-1]
    while waiting:
        box = waiting.pop()
        if box not in seen:
            seen.add(box)
            yield box
            waiting += reversed(right[box])


def _in_order(ranks: list[list[Box]], left: _Beside, right: _Beside) -> list[list[Box]]:
    """Move what stands in each column towards the middle of its neighbours, back and forth, while fewer lines cross."""
    best, fewest = ranks, _crossings(ranks, right)
    for sweep in range(_SWEEPS):
        beside = right if sweep % 2 else left
        ranks = [list(rank) for rank in ranks]
        for rank in reversed(ranks) if sweep % 2 else ranks:
            place = {box: at for one in ranks for at, box in enumerate(one)}
            rank.sort(key=lambda box: _mean([place[one] for one in beside[box]], place[box]))
        if (count := _crossings(ranks, right)) < fewest:
            best, fewest = ranks, count
    return best


def _crossings(ranks: list[list[Box]], right: _Beside) -> int:
    count = 0
    for rank, following in pairwise(ranks):
        place, ends = {box: at for at, box in enumerate(following)}, list[int]()
        for box in rank:
            for at in sorted(place[one] for one in right[box]):
                count += len(ends) - bisect_right(ends, at)
                insort(ends, at)
    return count


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _set_places(
    ranks: list[list[Box]], bends: set[Box], left: _Beside, right: _Beside, top: float
) -> tuple[float, float]:
    for rank in ranks:
        _settle(rank, [0.0] * len(rank))
    for sweep in range(_SWEEPS):  # the last one straightens what leads on
        for rank in reversed(ranks) if sweep % 2 else ranks:
            beside = right if sweep % 2 else left
            _settle(rank, [_mean([one.middle for one in beside[box]], box.middle) for box in rank])
    least = min(box.y for rank in ranks for box in rank)
    x = gap = 0.0
    for rank in ranks:
        width = max(box.width for box in rank)
        x += gap
        for box in rank:
            box.x, box.width = (x, width) if box in bends else (x + (width - box.width) / 2, box.width)
            box.y += top - least
        steep = max(
            (abs(box.middle - (one.middle + top - least)) for box in rank for one in right[box]), default=0.0
        )
        x, gap = x + width, min(_GAP_X_MOST, max(_GAP_X, steep / 5))
    return x, max(box.y + box.height for rank in ranks for box in rank) - top


def _settle(rank: list[Box], wanted: Sequence[float]) -> None:
    """Move the boxes of a column as near as can be to where they are wanted, in their order and apart.

    The least squares under this order come from pooling neighbours that violate it.
    """
    offsets = [0.0, *accumulate((one.height + other.height) / 2 + _GAP_Y for one, other in pairwise(rank))]
    pools = list[tuple[float, int]]()
    for at, offset in zip(wanted, offsets, strict=True):
        mean, count = at - offset, 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        pools.append((mean, count))
    places = chain.from_iterable(repeat(mean, count) for mean, count in pools)
    for box, offset, at in zip(rank, offsets, places, strict=True):
        box.y = at + offset - box.height / 2


def _draw(line: Line, left: _Beside, right: _Beside) -> None:
    first, *bends, last = line.way
    points = [(first.x + first.width, _port(first, bends[0], right[first]))]
    for bend in bends:
        points += [(bend.x, bend.middle), (bend.x + bend.width, bend.middle)]
    points.append((last.x, _port(last, bends[-1], left[last])))
    line.points = points[::-1] if line.turned else points


def _port(box: Box, bend: Box, beside: Sequence[Box]) -> float:
    """Return how far down a line meets a box: several don't meet it at one point."""
    gap = min(_PORT_GAP, (box.height - 10) / max(1, len(beside) - 1))
    at = sorted(beside, key=lambda one: one.middle).index(bend)
    return box.middle + (at - (len(beside) - 1) / 2) * gap
