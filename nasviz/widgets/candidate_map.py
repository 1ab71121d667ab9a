"""`CandidateMap`: a cost against a quality for a sample of candidates, filtered in the browser.

The kernel sends each column once. Ranges, limits, axes, colour, zoom and picks are handled by the
page, which therefore stays live while the kernel is busy, or gone; Python reads and writes the
same traits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from nasviz.errors import InputError, unknown_name
from nasviz.widgets.bokeh_source import shared_source
from nasviz.widgets.esm import joined_module
from nasviz.widgets.filters import Filters, passing
from nasviz.widgets.map_columns import MapColumn, Mark, full_column, wire_column, wire_ids

if TYPE_CHECKING:
    from nasviz.plots.map_still import MapStill

_HERE = Path(__file__).parent
MAP_CSS = (_HERE / "figure_view.css").read_text(encoding="utf-8") + (
    _HERE / "candidate_map.css"
).read_text(encoding="utf-8")

CandidateId = int | str


class CandidateMap(anywidget.AnyWidget):
    """The explorer's map.

        map = CandidateMap()                       # may be displayed before it has a sample
        map.set_sample(columns)                    # MapColumns: dimensions, costs, qualities
        map.x, map.y = "time_per_output_token_s", "bits_per_byte"
        map.ranges = {"n_layers": (2, 12)}
        trait = map.add_range("n_layers")          # "range_n_layers", for a slider in the browser:
        ipywidgets.jslink((slider, "value"), (map, trait))

    `selection` holds candidate ids: whole numbers for sampled candidates, text for marks.
    `lassoed` has the ids of the latest lasso; `hovered` the one under the pointer, or None.
    `counts` is `{"left", "total", "shown"}` and `front` the ids of the predicted front after
    filtering: the page reports both when the hand rests. `viewport` is `[]` or
    `[x low, x high, y low, y high]`. `current` is a `Mark`'s dict drawn as selected although it is
    not in the sample, or None. `lines` are further fronts: `{"label", "points": [marks' dicts]}`.
    `ties` join two marks by their ids, `{"from", "to", "kind"}`: "pruned" by an arrow, "twin" by a
    dashed line.
    """

    _esm = joined_module("candidate_map.js")
    _css = MAP_CSS
    _bokeh = traitlets.Unicode().tag(sync=True)
    _bokeh_version = traitlets.Unicode().tag(sync=True)

    n = traitlets.Int(0).tag(sync=True)
    specs = traitlets.Dict().tag(sync=True)
    ids = traitlets.Any(None).tag(sync=True)
    x = traitlets.Unicode("").tag(sync=True)
    y = traitlets.Unicode("").tag(sync=True)
    colour = traitlets.Unicode("density").tag(sync=True)
    x_log = traitlets.Bool(True).tag(sync=True)
    y_log = traitlets.Bool(False).tag(sync=True)
    marks: traitlets.List[Any] = traitlets.List().tag(sync=True)
    lines: traitlets.List[Any] = traitlets.List().tag(sync=True)
    ties: traitlets.List[Any] = traitlets.List().tag(sync=True)
    current = traitlets.Any(None).tag(sync=True)
    selection: traitlets.List[Any] = traitlets.List().tag(sync=True)
    hovered = traitlets.Any(None).tag(sync=True)
    tap_revision = traitlets.Int(0).tag(sync=True)
    counts = traitlets.Dict().tag(sync=True)
    front: traitlets.List[Any] = traitlets.List().tag(sync=True)
    viewport: traitlets.List[Any] = traitlets.List().tag(sync=True)
    toolbar = traitlets.Bool(True).tag(sync=True)
    label = traitlets.Unicode("map of candidates").tag(sync=True)
    height = traitlets.Unicode("560px").tag(sync=True)

    # Python's side only: mirrors of range_*, limit_* and choice_* traits, and the latest lasso.
    ranges = traitlets.Dict()
    limits = traitlets.Dict()
    choices = traitlets.Dict()
    lassoed: traitlets.List[Any] = traitlets.List()
    lasso_revision = traitlets.Int(0)

    def __init__(self, columns: Sequence[MapColumn] = (), **traits: Any) -> None:
        self._lock = threading.RLock()
        self._columns: dict[str, NDArray[Any]] = {}
        source = shared_source()
        filters = {kind: traits.pop(kind, {}) for kind in ("ranges", "limits", "choices")}
        super().__init__(_bokeh=source.model_id, _bokeh_version=source.version, **traits)
        self.on_msg(self._receive)
        for kind, wanted in filters.items():
            self.observe(self._filters_written, kind)
            setattr(self, kind, wanted)
        if columns:
            self.set_sample(columns)

    # ---- the sample

    def set_sample(self, columns: Iterable[MapColumn], ids: ArrayLike | None = None) -> None:
        """Send a sample to the page: every column of `columns`, all of one length.

        Only columns that changed travel. `ids` (n,) names the candidates, by default their rows;
        a selection keeps its ids. `x` and `y` become the first cost and quality if they name none.
        """
        given = list(columns)
        n = max((np.size(column.values) for column in given), default=0)
        arrays = {column.name: full_column(column, n) for column in given}
        wires = {f"column_{name}": wire_column(array) for name, array in arrays.items()}
        with self._lock:
            self._add_missing({name: traitlets.Any(None) for name in wires})
            with self.hold_sync():
                self.n = n
                self.ids = None if ids is None else wire_ids(ids, n)
                self.specs = {column.name: column.spec() for column in given}
                for name, wire in wires.items():
                    setattr(self, name, wire)
                self._columns = arrays
                for axis, role in (("x", "cost"), ("y", "quality")):
                    names = [column.name for column in given if column.role == role]
                    if names and getattr(self, axis) not in arrays:
                        setattr(self, axis, names[0])

    def set_marks(self, marks: Iterable[Mark]) -> None:
        """Draw these trials and landmarks in place of the present ones."""
        self.marks = [mark.to_dict() for mark in marks]

    # ---- filters

    def add_range(self, name: str, low: float | None = None, high: float | None = None) -> str:
        """Return the name of the trait `[low, high]` that filters column `name`, for sliders.

        Without `low` and `high` the filter lets everything pass until it is set.
        """
        wanted = None if low is None or high is None else [low, high]
        return self._add_filter("range", name, wanted)

    def add_limit(self, name: str, most: float | None = None) -> str:
        """Return the name of the trait with the greatest value of column `name` that passes."""
        return self._add_filter("limit", name, most)

    def add_choices(self, name: str, codes: Sequence[int] | None = None) -> str:
        """Return the name of the trait with the codes of the choice `name` that pass."""
        return self._add_filter("choice", name, None if codes is None else list(codes))

    def _add_filter(self, kind: str, name: str, wanted: Any) -> str:
        trait = f"{kind}_{name}"
        with self._lock:
            if self._add_missing({trait: traitlets.Any(None, allow_none=True)}):
                self.observe(self._filter_moved, trait)
            if wanted is not None:
                setattr(self, trait, wanted)
        return trait

    def _add_missing(self, wanted: dict[str, traitlets.TraitType[Any, Any]]) -> bool:
        missing = {
            name: trait.tag(sync=True) for name, trait in wanted.items() if not self.has_trait(name)
        }
        if missing:
            self.add_traits(**missing)
        return bool(missing)

    def _filter_moved(self, change: Any) -> None:
        """Mirror a `range_…`, `limit_…` or `choice_…` trait in its dict."""
        kind, name = change.name.split("_", 1)
        value = tuple(change.new) if kind == "range" and change.new is not None else change.new
        mirror = f"{kind}s"
        with self._lock:
            kept = {key: each for key, each in getattr(self, mirror).items() if key != name}
            setattr(self, mirror, kept if value is None else {**kept, name: value})

    def _filters_written(self, change: Any) -> None:
        """Bring a dict that was written to its single traits; a name left out filters no more."""
        kind = change.name[:-1]
        with self._lock, self.hold_sync():
            for name, wanted in change.new.items():
                value = wanted if kind == "limit" else list(wanted)
                self._add_filter(kind, name, value)
            before = change.old if isinstance(change.old, dict) else {}  # unset at first
            for name in set(before) - set(change.new):
                if self.has_trait(f"{kind}_{name}"):
                    setattr(self, f"{kind}_{name}", None)

    # ---- what the reader did

    def on_tap(self, callback: Callable[[list[CandidateId]], None]) -> None:
        """Call `callback(selection)` at every tap or arrow key, also on what was selected."""
        self.observe(lambda _change: callback(list(self.selection)), "tap_revision")

    def on_lasso(self, callback: Callable[[list[CandidateId]], None]) -> None:
        """Call `callback(lassoed)` at the end of every lasso; an empty list when it is cleared."""
        self.observe(lambda _change: callback(list(self.lassoed)), "lasso_revision")

    def rows_of(self, ids: Iterable[CandidateId]) -> list[int]:
        """Return the rows of the sampled candidates among `ids`, in order; marks are skipped."""
        numbers = [each for each in ids if isinstance(each, int)]
        if self.ids is None:
            return [each for each in numbers if 0 <= each < self.n]
        known = np.frombuffer(self.ids["data"], dtype=np.uint32)
        places = {int(each): row for row, each in enumerate(known)}
        return [places[each] for each in numbers if each in places]

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of the present sample, shape (n,), or raise `InputError`."""
        if name not in self._columns:
            raise unknown_name("column", name, self._columns)
        return self._columns[name]

    # ---- what leaves the notebook

    @property
    def filters(self) -> Filters:
        """What the sliders let pass now."""
        return Filters(dict(self.ranges), dict(self.limits), dict(self.choices))

    def still(self) -> str:
        """Return the map as it is now as SVG text: filters, axes, marks, selection."""
        from nasviz.plots.map_still import draw_map_still

        return draw_map_still(self._still_record())

    def png(self) -> bytes:
        """Return the same picture as a PNG file."""
        from nasviz.plots.map_still import draw_map_png

        return draw_map_png(self._still_record())

    def _still_record(self) -> MapStill:
        from nasviz.widgets.map_picture import map_still, whole_axis

        with self._lock:
            names = (self.x, self.y)
            if not all(name in self._columns for name in names):
                raise InputError("the map has no sample yet: nothing to draw a picture of")
            kept = passing(self._columns, self.filters)
            drawn = [mark for mark in self.marks if mark["kind"] != "landmark"]
            x, y = (
                whole_axis(
                    self.specs[name],
                    self._columns[name],
                    [mark["values"][name] for mark in drawn if name in mark["values"]],
                    log,
                )
                for name, log in zip(names, (self.x_log, self.y_log), strict=True)
            )
            better = (self.specs[self.x]["better"], self.specs[self.y]["better"])
            return map_still(
                self._columns,
                kept,
                axes=(x, y),
                names=names,
                better=better,
                marks=self.marks,
                ties=self.ties,
                selected=self._selected_places(),
            )

    def _selected_places(self) -> list[tuple[float, float]]:
        """Return where the selected candidates lie on the present axes."""
        rows = self.rows_of(self.selection)
        places = [(self._columns[self.x][row], self._columns[self.y][row]) for row in rows]
        values = [mark["values"] for mark in self.marks if mark["id"] in self.selection]
        values += [self.current["values"]] if self.current else []
        places += [(each[self.x], each[self.y]) for each in values if {self.x, self.y} <= set(each)]
        return [(float(x), float(y)) for x, y in places]

    def _ipython_display_(self) -> None:
        """Show the map and, for when no kernel is left, its picture."""
        from IPython.core.display_functions import display

        from nasviz.widgets.still_output import StillOutput

        bundle = self._repr_mimebundle_()
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        data = {**data, "text/plain": f"CandidateMap of {self.n:,} candidates"}
        display(data, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]
        StillOutput(self).show()

    def _receive(self, _widget: object, content: dict[str, Any], buffers: list[Any]) -> None:
        if content.get("type") == "lasso":
            rows = np.frombuffer(buffers[0], dtype=np.float64) if buffers else np.empty(0)
            self._lassoed([*content["marks"], *rows.astype(np.int64).tolist()])

    def _lassoed(self, ids: list[CandidateId]) -> None:
        self.lassoed = ids
        self.lasso_revision += 1

    @traitlets.validate("x", "y")
    def _known_column(self, proposal: Any) -> str:
        name: str = proposal["value"]
        if self.specs and name not in self.specs:
            raise unknown_name("column", name, self.specs)
        return name

    @traitlets.validate("colour")
    def _known_colour(self, proposal: Any) -> str:
        name: str = proposal["value"]
        if self.specs and name != "density" and name not in self.specs:
            raise unknown_name("column", name, ["density", *self.specs])
        return name

    @traitlets.validate("viewport")
    def _whole_viewport(self, proposal: Any) -> list[float]:
        ends = list(proposal["value"])
        if len(ends) not in {0, 4}:
            raise InputError(f"viewport={ends!r} is not [] or [x low, x high, y low, y high]")
        return ends
