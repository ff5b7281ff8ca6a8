//! Output without colours.

use std::io::{self, Write};

/// A writer that removes colours.
pub(crate) struct Plain<W> {
    out: W,
    strip: anstream::adapter::StripBytes,
}

impl<W: Write> Plain<W> {
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            strip: anstream::adapter::StripBytes::new(),
        }
    }
}

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for text in self.strip.strip_next(bytes) {
            self.out.write_all(text)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
