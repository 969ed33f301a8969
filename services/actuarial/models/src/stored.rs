//! Models as bytes, so that what was learnt once scores again, to the bit, years later and elsewhere.
//!
//! Numbers are little-endian, floating point by its bits; texts and lists begin with their length. A
//! reader trusts nothing: whatever would make a model panic or answer no number is refused.

/// Bytes that are no model this release can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored model cannot be read: {0}")]
pub struct StoredError(pub &'static str);

/// Bytes being written.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn count(&mut self, value: usize) {
        self.0.extend_from_slice(&(value as u32).to_le_bytes());
    }

    pub(crate) fn word(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn whole(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn number(&mut self, value: f64) {
        self.word(value.to_bits());
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.count(value.len());
        self.0.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn numbers(&mut self, values: &[f64]) {
        self.count(values.len());
        values.iter().for_each(|value| self.number(*value));
    }

    pub(crate) fn texts(&mut self, values: &[String]) {
        self.count(values.len());
        values.iter().for_each(|value| self.text(value));
    }
}

/// Bytes being read.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), StoredError> {
        if self.0.is_empty() { Ok(()) } else { Err(StoredError("there is more of it")) }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], StoredError> {
        let (taken, left) =
            self.0.split_at_checked(length).ok_or(StoredError("there is not all of it"))?;
        self.0 = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoredError> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| StoredError("there is not all of it"))
    }

    pub(crate) fn byte(&mut self) -> Result<u8, StoredError> {
        Ok(self.array::<1>()?[0])
    }

    /// A length or a place, at most `most`.
    pub(crate) fn count(&mut self, most: usize) -> Result<usize, StoredError> {
        let count = u32::from_le_bytes(self.array()?) as usize;
        if count <= most { Ok(count) } else { Err(StoredError("a length or place is too large")) }
    }

    pub(crate) fn word(&mut self) -> Result<u64, StoredError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn whole(&mut self) -> Result<i32, StoredError> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    /// A finite number.
    pub(crate) fn number(&mut self) -> Result<f64, StoredError> {
        let value = f64::from_bits(self.word()?);
        if value.is_finite() { Ok(value) } else { Err(StoredError("a number is not finite")) }
    }

    pub(crate) fn text(&mut self) -> Result<String, StoredError> {
        let length = self.count(self.0.len())?;
        let text = std::str::from_utf8(self.take(length)?);
        text.map(str::to_owned).map_err(|_| StoredError("a text is not UTF-8"))
    }

    pub(crate) fn numbers(&mut self, most: usize) -> Result<Vec<f64>, StoredError> {
        (0..self.count(most)?).map(|_| self.number()).collect()
    }

    pub(crate) fn texts(&mut self, most: usize) -> Result<Vec<String>, StoredError> {
        (0..self.count(most)?).map(|_| self.text()).collect()
    }
}
