//! Cutting a file into pieces while it is written, and digesting it on the way.

use std::io;

use sha2::{Digest, Sha256};

use crate::export::PIECE;

/// Where an encoder writes: keeps at most a piece and what was not taken yet.
#[derive(Default)]
pub(crate) struct Cutter {
    open: Vec<u8>,
    cut: Vec<Vec<u8>>,
    digest: Sha256,
    length: u64,
}

/// A file that is written to its end.
pub(crate) struct Written {
    /// The pieces that were not taken yet.
    pub(crate) pieces: Vec<Vec<u8>>,
    /// SHA-256 of the whole.
    pub(crate) digest: [u8; 32],
    /// Bytes of the whole.
    pub(crate) length: u64,
}

impl Cutter {
    /// Whole pieces since the last time.
    pub(crate) fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.cut)
    }

    /// Ends the file.
    pub(crate) fn end(mut self) -> Written {
        if !self.open.is_empty() {
            self.cut.push(self.open);
        }
        Written { pieces: self.cut, digest: self.digest.finalize().into(), length: self.length }
    }
}

impl io::Write for Cutter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE - self.open.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.digest.update(taken);
        self.open.extend_from_slice(taken);
        self.length += u64::try_from(taken.len()).unwrap_or_default();
        if self.open.len() == PIECE {
            self.cut.push(std::mem::take(&mut self.open));
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn pieces_put_together_are_what_was_written() {
        let bytes: Vec<u8> = (0..PIECE * 2 + 7).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut cutter = Cutter::default();
        cutter.write_all(&bytes[..10]).unwrap();
        cutter.write_all(&bytes[10..PIECE + 5]).unwrap();
        let mut pieces = cutter.take();
        assert_eq!(pieces.len(), 1);
        cutter.write_all(&bytes[PIECE + 5..]).unwrap();
        let written = cutter.end();
        pieces.extend(written.pieces);
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [PIECE, PIECE, 7]);
        assert!(pieces.concat() == bytes);
        assert_eq!(written.length, 2_097_159);
        let whole: [u8; 32] = Sha256::digest(&bytes).into();
        assert_eq!(written.digest, whole);
    }

    #[test]
    fn an_empty_file_has_no_piece_and_the_digest_of_nothing() {
        let written = Cutter::default().end();
        assert!(written.pieces.is_empty());
        // FIPS 180-4's example of the empty message.
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex::encode(written.digest), digest);
    }
}
