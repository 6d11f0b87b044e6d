//! What the process says of itself: log lines (text or JSON) and the Prometheus recorder.
