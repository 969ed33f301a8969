//! JSON on its way out.

use std::io;
use std::ops::Range;

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

/// An object, in a buffer that begins with `room` bytes, with one member more behind those of its own;
/// and where in it that member's value lies, for whoever needs the text of it too.
///
/// `object` must come out as an object, and does so with a member at least.
pub fn written_with(
    object: &(impl Serialize + ?Sized),
    name: &str,
    value: &(impl Serialize + ?Sized),
    room: usize,
) -> serde_json::Result<(Vec<u8>, Range<usize>)> {
    let mut written = written(object, room)?;
    // `{}` is shorter than the pattern.
    let [b'{', _, .., b'}'] = written.as_slice() else {
        return Err(serde::ser::Error::custom("not an object with members"));
    };
    written.pop();
    written.push(b',');
    let mut pieces = Pieces(written);
    serde_json::to_writer(&mut pieces, name)?;
    pieces.0.push(b':');
    let begin = pieces.0.len();
    serde_json::to_writer(&mut pieces, value)?;
    let mut written = pieces.0;
    let lies = begin..written.len();
    written.push(b'}');
    Ok((written, lies))
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

    #[test]
    fn one_member_more_is_part_of_the_object_and_found_in_it() {
        let last = json!({ "of": ["several", 1] });
        let (written, lies) = written_with(&json!({ "a": {} }), "b\"", &last, 0).unwrap();
        assert_eq!(String::from_utf8_lossy(&written), r#"{"a":{},"b\"":{"of":["several",1]}}"#);
        assert_eq!(written[lies], serde_json::to_vec(&last).unwrap());
        for other in [json!({}), json!([1]), json!("{}"), json!(7)] {
            assert!(written_with(&other, "b", &last, 0).is_err(), "{other}");
        }
    }
}
