//! XML as a tree of elements: what was read is written back.
//!
//! Names keep their prefixes and attributes their namespaces; look-ups go by local name. Text
//! between child elements is white space in these messages and is not kept.

use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Deeper messages are refused; the deepest of ISO 20022 has about twenty levels.
const DEEPEST: usize = 64;

/// An element with its attributes, and its children or its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
}

/// Why a text is no XML we read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not well-formed near byte {at}: {reason}")]
pub struct XmlError {
    at: u64,
    reason: String,
}

impl Element {
    /// An element for children.
    pub fn parent(name: &str) -> Element {
        let (attributes, children) = (Vec::new(), Vec::new());
        Element { name: name.to_owned(), attributes, children, text: String::new() }
    }

    /// An element with text.
    pub fn leaf(name: &str, text: &str) -> Element {
        Element { text: text.to_owned(), ..Element::parent(name) }
    }

    /// With one more child.
    pub fn with(mut self, child: Element) -> Element {
        self.children.push(child);
        self
    }

    /// With one more child that holds text.
    pub fn text(self, name: &str, text: &str) -> Element {
        self.with(Element::leaf(name, text))
    }

    /// With one more attribute.
    pub fn attributed(mut self, name: &str, value: &str) -> Element {
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its name without prefix.
    pub fn local(&self) -> &str {
        self.name.rsplit_once(':').map_or(&self.name, |(_, local)| local)
    }

    /// Its text without white space around it.
    pub fn own_text(&self) -> &str {
        self.text.trim()
    }

    /// Its children.
    pub fn children(&self) -> &[Element] {
        &self.children
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Children of a name.
    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.local() == name)
    }

    /// The first element down a path of names.
    pub fn find(&self, path: &[&str]) -> Option<&Element> {
        match path {
            [] => Some(self),
            [first, rest @ ..] => {
                self.children.iter().find(|child| child.local() == *first)?.find(rest)
            }
        }
    }

    /// The text of the first element down a path; `None` when it is not there or holds none.
    pub fn value(&self, path: &[&str]) -> Option<&str> {
        self.find(path).map(Element::own_text).filter(|text| !text.is_empty())
    }

    /// Every element of a name, itself included, in document order.
    pub fn all<'a>(&'a self, name: &str) -> Vec<&'a Element> {
        let mut found = Vec::new();
        if self.local() == name {
            found.push(self);
        }
        found.extend(self.children.iter().flat_map(|child| child.all(name)));
        found
    }

    /// Reads a document. Document types are refused: these messages have none.
    pub fn read(document: &str) -> Result<Element, XmlError> {
        let mut reader = Reader::from_str(document);
        let mut open: Vec<Element> = Vec::new();
        let mut root = None;
        loop {
            let event = reader.read_event();
            let at = reader.buffer_position();
            let failed = |reason: &str| XmlError { at, reason: reason.to_owned() };
            let event = event.map_err(|error| failed(&error.to_string()))?;
            let done = match event {
                Event::Start(start) => {
                    if open.len() == DEEPEST {
                        return Err(failed("too deep"));
                    }
                    open.push(started(&start).map_err(|reason| failed(&reason))?);
                    None
                }
                Event::Empty(start) => Some(started(&start).map_err(|reason| failed(&reason))?),
                Event::End(_) => open.pop(),
                Event::Text(text) => {
                    add(&mut open, &text.xml10_content()).map_err(failed)?;
                    None
                }
                Event::CData(text) => {
                    add(&mut open, &text.xml10_content()).map_err(failed)?;
                    None
                }
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().ok().flatten();
                    let resolved = match (character, &*reference) {
                        (Some(character), _) => character.to_string(),
                        (None, "amp") => "&".to_owned(),
                        (None, "lt") => "<".to_owned(),
                        (None, "gt") => ">".to_owned(),
                        (None, "quot") => "\"".to_owned(),
                        (None, "apos") => "'".to_owned(),
                        (None, _) => return Err(failed("an entity nobody declared")),
                    };
                    add(&mut open, &resolved).map_err(failed)?;
                    None
                }
                Event::DocType(_) => return Err(failed("a document type")),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => None,
                Event::Eof => break,
            };
            if let Some(element) = done {
                match (open.last_mut(), &root) {
                    (Some(parent), _) => parent.children.push(element),
                    (None, None) => root = Some(element),
                    (None, Some(_)) => return Err(failed("a second root")),
                }
            }
        }
        let at = reader.buffer_position();
        match root {
            Some(root) if open.is_empty() => Ok(root.settled()),
            _ => Err(XmlError { at, reason: "the document ends too early".to_owned() }),
        }
    }

    /// As a document.
    pub fn document(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.write(&mut text);
        text.push('\n');
        text
    }

    fn write(&self, into: &mut String) {
        into.push('<');
        into.push_str(&self.name);
        for (name, value) in &self.attributes {
            into.push_str(&format!(" {name}=\"{}\"", escape(value.as_str())));
        }
        if self.children.is_empty() && self.text.is_empty() {
            into.push_str("/>");
            return;
        }
        into.push('>');
        into.push_str(&escape(self.text.as_str()));
        for child in &self.children {
            child.write(into);
        }
        into.push_str(&format!("</{}>", self.name));
    }

    /// Without the white space around its text; none at all beside children.
    fn settled(mut self) -> Element {
        self.text =
            if self.children.is_empty() { self.text.trim().to_owned() } else { String::new() };
        self.children = self.children.into_iter().map(Element::settled).collect();
        self
    }
}

fn started(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut element = Element::parent(start.name().as_ref());
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0);
        let value = value.map_err(|error| error.to_string())?;
        element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

fn add(open: &mut [Element], text: &str) -> Result<(), &'static str> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("text outside the root"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_back() {
        let text = "<a x:b='1&amp;2' xmlns:x='u'>\n <x:c>1 &lt; 2 &#38; 3</x:c><d/>\n</a>";
        let read = Element::read(text).unwrap();
        assert_eq!(read.value(&["c"]), Some("1 < 2 & 3"));
        assert_eq!(read.attribute("x:b"), Some("1&2"));
        assert_eq!(Element::read(&read.document()), Ok(read));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let deep = "<a>".repeat(65) + &"</a>".repeat(65);
        for bad in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "x<a/>",
            "<a>&b;</a>",
            deep.as_str(),
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        ] {
            assert!(Element::read(bad).is_err(), "{bad:?}");
        }
    }
}
