//! Code lists as enums: every code known, none free text.
//!
//! [`coded_enum!`](crate::coded_enum) declares one published code list. The code is what travels,
//! is stored and is printed; the names are for people.

/// A code that is not in its list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code:?} is not a known {list}")]
pub struct UnknownCode {
    /// The list in words, for example `vehicle category`.
    pub list: &'static str,
    /// What was given, cut to 40 characters.
    pub code: String,
}

impl UnknownCode {
    /// Reports `code` as missing from `list`.
    pub fn new(list: &'static str, code: &str) -> UnknownCode {
        UnknownCode { list, code: code.chars().take(40).collect() }
    }
}

/// Declares a code list: `Variant = "code", "中文名", "English name";`.
///
/// The type gets `ALL`, `code()`, `name_zh()`, `name_en()`, `parse()`, `Display` and serde, the
/// last three by code. Order of variants is the order of the published list.
#[macro_export]
macro_rules! coded_enum {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident ($list:literal) {
            $($variant:ident = $code:literal, $zh:literal, $en:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $name {
            $(
                #[doc = concat!("`", $code, "` ", $zh, ": ", $en, ".")]
                $variant,
            )+
        }

        impl $name {
            /// Every code, in the order of the published list.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The code as it travels.
            pub const fn code(self) -> &'static str {
                match self { $($name::$variant => $code,)+ }
            }

            /// The Chinese name.
            pub const fn name_zh(self) -> &'static str {
                match self { $($name::$variant => $zh,)+ }
            }

            /// The English name.
            pub const fn name_en(self) -> &'static str {
                match self { $($name::$variant => $en,)+ }
            }

            /// Reads a code exactly as published; no trimming, no case folding.
            pub fn parse(code: &str) -> Result<$name, $crate::code::UnknownCode> {
                match code {
                    $($code => Ok($name::$variant),)+
                    _ => Err($crate::code::UnknownCode::new($list, code)),
                }
            }
        }

        #[cfg(feature = "openapi")]
        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::schema::Schema> {
                let names = [$(concat!("`", $code, "` ", $zh, " (", $en, ")"),)+];
                ::utoipa::openapi::ObjectBuilder::new()
                    .schema_type(::utoipa::openapi::Type::String)
                    .enum_values(Some($name::ALL.iter().map(|value| value.code())))
                    .description(Some(names.join(", ")))
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl ::utoipa::ToSchema for $name {}

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.code())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let code = <::std::borrow::Cow<'de, str> as ::serde::Deserialize>::deserialize(deserializer)?;
                $name::parse(&code).map_err(::serde::de::Error::custom)
            }
        }
    };
}
