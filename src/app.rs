//! The composition root: from settings to running parts, and their orderly end.
