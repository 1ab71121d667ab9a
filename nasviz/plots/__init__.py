"""Records in, Bokeh figures out; no state, no mathematics."""
