//! JSON on its way out.

use std::io;

use serde::Serialize;

/// `value` as JSON, in a buffer that begins with `room` bytes: growing to a few kilobytes step by
/// step costs as much as writing them.
pub fn written(value: &(impl Serialize + ?Sized), room: usize) -> serde_json::Result<Vec<u8>> {
    let mut pieces = Pieces(Vec::with_capacity(room));
    serde_json::to_writer(&mut pieces, value)?;
    Ok(pieces.0)
}

/// The same as a text.
pub fn text(value: &(impl Serialize + ?Sized), room: usize) -> serde_json::Result<String> {
    String::from_utf8(written(value, room)?).map_err(serde::ser::Error::custom)
}

/// Takes JSON as `serde_json` writes it: thousands of pieces an answer, most of them one mark. A mark
/// that is pushed costs a few instructions, one that is copied like a text costs forty.
struct Pieces(Vec<u8>);

impl io::Write for Pieces {
    #[inline(always)]
    fn write_all(&mut self, piece: &[u8]) -> io::Result<()> {
        match piece {
            [mark] => self.0.push(*mark),
            text => self.0.extend_from_slice(text),
        }
        Ok(())
    }

    #[inline(always)]
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.write_all(piece)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_what_serde_json_writes() {
        let value = json!({
            "text": "\"保单\" and \\ a line\n", "empty": "", "letter": "a", "list": [1, -2.5, null, true],
            "nothing": {}, "nested": { "deep": [[], [{}]] },
        });
        for room in [0, 1, 1 << 10] {
            assert_eq!(written(&value, room).unwrap(), serde_json::to_vec(&value).unwrap());
            assert_eq!(text(&value, room).unwrap(), serde_json::to_string(&value).unwrap());
        }
    }
}
