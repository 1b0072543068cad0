"""The project's own release: `make release VERSION=0.2.0`. See docs/releasing.md."""
