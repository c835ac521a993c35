"""The table of dataset sources."""

from mmbench.registry import Registry

SOURCES = Registry(
    "dataset source",
    {
        "toyshop": "mmbench.datasets.toyshop:Toyshop",
        "folder": "mmbench.datasets.folder:Folder",
    },
)
