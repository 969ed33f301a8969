//! Bounds every message keeps, whatever it says: no text and no list without end, no control
//! characters, none that turns the direction of writing. What is stored and passed on is then safe to
//! store and to pass on (rule F01).

use serde_json::Value;

use crate::problem::FieldError;

/// Most characters of one text.
const LONGEST_TEXT: usize = 1_000;
/// Most items of one list.
const LONGEST_LIST: usize = 500;

/// Everything in a readable message that breaks a bound, by JSON pointer.
pub(crate) fn broken(bytes: &[u8]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if may_break(bytes) {
        let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
        look(&value, &mut String::new(), &mut errors);
    }
    errors
}

/// Whether a closer look is needed. Nearly every message passes here without being parsed again:
/// a control character can only come as an escape or as DEL, what turns the direction begins with E2 as
/// no Chinese character does, and a long text needs its bytes.
fn may_break(bytes: &[u8]) -> bool {
    bytes.contains(&b'\\')
        || bytes.contains(&0x7f)
        || bytes.contains(&0xe2)
        || has_long_text(bytes)
        || bytes.iter().filter(|&&byte| byte == b',').count() >= LONGEST_LIST
}

/// Whether more than [`LONGEST_TEXT`] bytes stand together without a quotation mark. Leaps from the
/// last mark within reach to the next.
fn has_long_text(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(reach) = rest.get(..=LONGEST_TEXT) {
        match reach.iter().rposition(|&byte| byte == b'"') {
            Some(mark) => rest = &rest[mark + 1..],
            None => return true,
        }
    }
    false
}

/// Control characters but for white space, and those that turn the direction of writing: a name with
/// one reads as another.
fn is_odd(c: char) -> bool {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !"\t\n\r".contains(c))
}

fn look(value: &Value, pointer: &mut String, errors: &mut Vec<FieldError>) {
    let mut complain = |rule: Option<&'static str>, detail: String| {
        errors.push(FieldError { pointer: pointer.clone(), rule: rule.map(Into::into), detail });
    };
    match value {
        Value::String(text) => {
            if let Some(odd) = text.chars().find(|&c| is_odd(c)) {
                let code = u32::from(odd);
                let detail = format!("contains character U+{code:04X}; send plain UTF-8");
                complain(Some("F01"), detail);
            }
            let length = text.chars().count();
            if length > LONGEST_TEXT {
                let most =
                    format!("a text of {length} characters; at most {LONGEST_TEXT} are read");
                complain(None, most);
            }
        }
        Value::Array(items) if items.len() > LONGEST_LIST => {
            let most = format!("a list of {} items; at most {LONGEST_LIST} are read", items.len());
            complain(None, most);
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                within(item, &index.to_string(), pointer, errors);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                within(member, &name.replace('~', "~0").replace('/', "~1"), pointer, errors);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn within(value: &Value, name: &str, pointer: &mut String, errors: &mut Vec<FieldError>) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(name);
    look(value, pointer, errors);
    pointer.truncate(length);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(value: &Value) -> Vec<String> {
        let errors = broken(value.to_string().as_bytes());
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn a_long_text_is_seen_wherever_it_stands() {
        for before in [0, 1, 7, LONGEST_TEXT, 3 * LONGEST_TEXT + 1] {
            for length in [0, 1, LONGEST_TEXT - 1, LONGEST_TEXT, LONGEST_TEXT + 1] {
                let message = format!("{}{}\"{}", "a\"".repeat(before), "b".repeat(length), "c");
                let bytes = message.as_bytes();
                let parts = bytes.split(|&byte| byte == b'"');
                let long = parts.map(<[u8]>::len).any(|part| part > LONGEST_TEXT);
                assert_eq!(has_long_text(bytes), long, "{before} {length}");
                assert_eq!(long, length > LONGEST_TEXT);
            }
        }
    }

    #[test]
    fn texts_and_lists_have_an_end_and_no_control_characters() {
        let long = "长".repeat(LONGEST_TEXT + 1);
        let fits = "长".repeat(LONGEST_TEXT);
        let list = vec![0; LONGEST_LIST + 1];
        let bad = json!({ "a": ["ok", "\u{0}"], "b/c": { "d": "\u{7f}" }, "e": long, "f": list });
        assert_eq!(pointers(&bad), ["/a/1", "/b~1c/d", "/e", "/f"]);
        let turned = json!({ "a": "李\u{202e}芳", "b": "“李芳”" });
        assert_eq!(pointers(&turned), ["/a"]);
        let good = json!({ "a": "two\nlines\t", "b": fits, "c": vec![0; LONGEST_LIST] });
        assert_eq!(pointers(&good), [""; 0]);
    }
}
