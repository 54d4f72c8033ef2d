"""One module a layout: from what lies on disk to a :class:`~stats_tl.data.dataset.Dataset`."""
