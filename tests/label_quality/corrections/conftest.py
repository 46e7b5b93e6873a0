"""The Orthanc and the images of the PACS's tests."""

from intake.pacs.conftest import credentials, images, pacs, receiver_port, root, server, web

__all__ = ["credentials", "images", "pacs", "receiver_port", "root", "server", "web"]
