//! Every metric's name, labels and help text, and one small recording function per event.
