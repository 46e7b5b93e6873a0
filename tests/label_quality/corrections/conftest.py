"""The Orthanc and the pictures of the PACS's tests."""

from intake.pacs.conftest import credentials, pacs, pictures, receiver_port, root, server, web

__all__ = ["credentials", "pacs", "pictures", "receiver_port", "root", "server", "web"]
