"""The servers that come with the product: PostgreSQL and Valkey as child processes, and the keeper of all children."""

from crm.embedded.binaries import BinaryMissingError
from crm.embedded.home import HomeBusyError, HomeLock
from crm.embedded.postgres import PostgresServer
from crm.embedded.processes import EmbeddedError
from crm.embedded.valkey import ValkeyServer

__all__ = ["BinaryMissingError", "EmbeddedError", "HomeBusyError", "HomeLock", "PostgresServer", "ValkeyServer"]
