//! Numbers that leave the crate: finite, or an error that says which one was not.

/// A result that is no number, such as 0/0 of data that say nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a finite number")]
pub struct NotFinite(pub &'static str);

/// `value`, when it is finite.
pub(crate) fn finite(value: f64, what: &'static str) -> Result<f64, NotFinite> {
    if value.is_finite() { Ok(value) } else { Err(NotFinite(what)) }
}

/// Nothing, when all of `values` are finite.
pub(crate) fn all_finite<'a>(
    values: impl IntoIterator<Item = &'a f64>,
    what: &'static str,
) -> Result<(), NotFinite> {
    values.into_iter().try_for_each(|&value| finite(value, what).map(|_| ()))
}
