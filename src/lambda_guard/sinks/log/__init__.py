"""The log sink: `lines` makes a line, `printed` catches `print`, `powertools` is the logger that users see."""
