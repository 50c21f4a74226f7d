"""Models by name, folder or hub repository: `find` (names to folders) and `bundle` (folders to models)."""

from langit.catalog.bundle import Bundle, BundleConfig, load_bundle, save_bundle
from langit.catalog.find import EMBEDDED, find_model, load

__all__ = ["EMBEDDED", "Bundle", "BundleConfig", "find_model", "load", "load_bundle", "save_bundle"]
