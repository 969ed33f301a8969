//! Functions: what a route offers, named in three levels.

/// Whether a call must, may or cannot carry an `Idempotency-Key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRule {
    /// A write with lasting effect: refused without a key.
    Required,
    /// Repeating it harms nobody; a key makes the repetition exact.
    Optional,
}

/// One function of the platform. Gate, meter, audit, span, OpenAPI and console read this constant
/// and nothing else.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// `cloud.product.function`, for example `production.underwriting.quote`.
    pub code: &'static str,
    /// Chinese name.
    pub title_zh: &'static str,
    /// English name.
    pub title_en: &'static str,
    /// Whether an idempotency key is demanded.
    pub key: KeyRule,
    /// Whether a daily quota per user applies where the subscription or the region sets one.
    pub quota: bool,
}

/// Declares the functions of a cloud, and `ALL`, every one of them. `daily` after the rule of the key:
/// a daily quota may apply.
#[macro_export]
macro_rules! functions {
    ($($name:ident = $code:literal $zh:literal $en:literal $key:ident $($daily:ident)?;)*) => {
        $(#[doc = $en] pub const $name: $crate::Function = $crate::Function {
            code: $code,
            title_zh: $zh,
            title_en: $en,
            key: $crate::function::KeyRule::$key,
            quota: $crate::functions!(@quota $($daily)?),
        };)*
        /// Every function of this cloud.
        pub const ALL: &[&$crate::Function] = &[$(&$name),*];
    };
    (@quota) => { false };
    (@quota daily) => { true };
}

impl Function {
    /// The cloud a function belongs to: the first level of its code.
    pub fn cloud(&self) -> &'static str {
        self.code.split('.').next().unwrap_or(self.code)
    }

    /// The product within the cloud: the first two levels of its code.
    pub fn product(&self) -> &'static str {
        self.code.rsplit_once('.').map_or(self.code, |(product, _)| product)
    }
}

/// Whether `pattern` (a code, or a prefix ending in `.*`, or `*`) covers `code`.
pub fn covers(pattern: &str, code: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(prefix) => prefix.ends_with('.') && code.starts_with(prefix),
        None => pattern == code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_whole_levels_only() {
        let code = "production.underwriting.quote";
        let covering = ["*", "production.*", "production.underwriting.*", code];
        let missing = ["prod*", "production.under*", "production.underwriting", "clearing.*", ""];
        assert!(covering.iter().all(|pattern| covers(pattern, code)));
        assert!(!missing.iter().any(|pattern| covers(pattern, code)));
    }
}
