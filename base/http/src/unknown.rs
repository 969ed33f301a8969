//! Whether a message has elements its operation does not know, found while it is read and without
//! keeping the names of those it does know: nearly every message has none, and then nobody asks.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// Reads a value and tells whether anything beside it was skipped.
pub(crate) fn read<'de, T, D>(from: D) -> Result<(T, bool), D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let skipped = Cell::new(false);
    let value = T::deserialize(Watched { inner: from, skipped: &skipped })?;
    Ok((value, skipped.get()))
}

/// Anything that reads, and what it leads to, with an eye on what is skipped.
struct Watched<'a, T> {
    inner: T,
    skipped: &'a Cell<bool>,
}

macro_rules! read_watched {
    ($($read:ident($($name:ident: $kind:ty),*);)*) => {
        $(fn $read<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$read($($name,)* Watched { inner: visitor, skipped: self.skipped })
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Watched<'_, D> {
    type Error = D::Error;

    read_watched! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.skipped.set(true);
        self.inner.deserialize_ignored_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! visit_plain {
    ($($visit:ident($kind:ty);)*) => {
        $(fn $visit<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.inner.$visit(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit_plain! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Watched { inner: from, skipped: self.skipped })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Watched { inner: from, skipped: self.skipped })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Watched { inner: items, skipped: self.skipped })
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Watched { inner: members, skipped: self.skipped })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Watched { inner: variant, skipped: self.skipped })
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Watched<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Watched { inner: from, skipped: self.skipped })
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Watched<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(Watched { inner: seed, skipped: self.skipped })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Watched<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Watched { inner: seed, skipped: self.skipped })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'a, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Watched<'a, A> {
    type Error = A::Error;
    type Variant = Watched<'a, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (name, content) = self.inner.variant_seed(seed)?;
        Ok((name, Watched { inner: content, skipped: self.skipped }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Watched<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Watched { inner: seed, skipped: self.skipped })
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(length, Watched { inner: visitor, skipped: self.skipped })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, Watched { inner: visitor, skipped: self.skipped })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Body {
        seats: Option<u16>,
        covers: Option<Vec<Cover>>,
        way: Option<Way>,
        name: Option<Name>,
        rest: Option<serde_json::Value>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Cover {
        limit: Option<String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    enum Way {
        Own(Cover),
        Shared { cover: Cover },
        None,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Name(String);

    #[test]
    fn what_is_skipped_is_seen_wherever_it_stands_and_nothing_else_is() {
        let known = [
            json!({}),
            json!({ "seats": 5, "covers": [{ "limit": "1" }, {}], "name": "n", "way": "None" }),
            json!({ "way": { "Own": { "limit": "1" } }, "rest": { "any": ["thing", null] } }),
            json!({ "way": { "Shared": { "cover": { "limit": null } } } }),
        ];
        let unknown = [
            json!({ "colour": "red" }),
            json!({ "covers": [{ "limit": "1" }, { "colour": null }] }),
            json!({ "way": { "Own": { "colour": 1 } } }),
            json!({ "way": { "Shared": { "cover": {}, "colour": [] } } }),
            json!({ "way": { "Shared": { "cover": { "colour": {} } } } }),
        ];
        let all = known.iter().map(|it| (it, false)).chain(unknown.iter().map(|it| (it, true)));
        for (message, expected) in all {
            let text = message.to_string();
            let mut json = serde_json::Deserializer::from_str(&text);
            let (body, skipped) = super::read::<Body, _>(&mut json).unwrap();
            assert_eq!(skipped, expected, "{text}");
            assert_eq!(body, serde_json::from_str(&text).unwrap(), "{text}");
            let mut named = Vec::new();
            let mut json = serde_json::Deserializer::from_str(&text);
            let note = |path: serde_ignored::Path<'_>| named.push(path.to_string());
            serde_ignored::deserialize::<_, _, Body>(&mut json, note).unwrap();
            assert_eq!(skipped, !named.is_empty(), "{text}");
        }
    }
}
