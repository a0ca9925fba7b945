"""Charts: what is to be drawn, readings thinned out for it, and the drawing. Pure: the same in, the same bytes out."""
