//! Wire types: how JSON comes in and goes out, and what the OpenAPI document says of it. Both come
//! from one declaration, `body!` or `answer!`, so that they cannot disagree. Long, because the two macros use what stands beside them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use guildhall_domain::field::FieldTexts;
use guildhall_domain::json::{At, Canonical, Members, Node, Stream};
use guildhall_domain::{Excerpt, Rejection, text};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::error::ApiError;

/// The named schemas of the OpenAPI document, as they are met.
pub type Schemas = BTreeMap<String, Value>;

/// What the OpenAPI document says of a type.
pub trait Schema {
    /// Whether an answer may leave it out.
    const OPTIONAL: bool = false;

    /// The schema, or a reference to it after it was put into `all`.
    fn schema(all: &mut Schemas) -> Value;

    /// Whether this value is left out of an answer.
    fn is_absent(&self) -> bool {
        false
    }
}

/// A type that is read from a request's body.
pub trait In: Sized + Schema {
    /// What messages call it: "a string".
    const EXPECTED: &'static str;

    /// Reads it, or says what is wrong and where.
    fn read(node: &Node<'_>, at: &At<'_>) -> Result<Self, Rejection>;

    /// Reads it as it comes, where it is as it should be and all is known of it; `None` means that [`In::read`] is to be asked.
    /// What it makes is what that makes of the same text.
    fn take<C: Canonical>(stream: &mut Stream<'_, C>) -> Option<Self>;

    /// What an absent member means; `None` where it must be present.
    fn absent() -> Option<Self> {
        None
    }
}

/// What a body says, if all of it is as it should be: without a tree. Else it is to be parsed and read, which has the words
/// for what is wrong.
pub fn taken<T: In>(body: &[u8]) -> Option<T> {
    Stream::document(body, T::take)
}

/// The same, and the body as fingerprints have it ([`Node::write_canonical`]).
pub fn taken_canonical<T: In>(body: &[u8]) -> Option<(T, String)> {
    Stream::canonical_document(body, T::take)
}

/// The refusal of a value of the wrong type.
pub fn wrong_type(expected: &str, node: &Node<'_>, at: &At<'_>) -> Rejection {
    let found = match node {
        Node::Text(text) => format!("the string {:?}", Excerpt(text)),
        Node::Number(number) => format!("the number {}", &number[..number.len().min(40)]),
        Node::Bool(value) => format!("{value}"),
        other => other.kind().to_owned(),
    };
    let what = if at.to_string().is_empty() {
        "the body must be"
    } else {
        "must be"
    };
    Rejection::invalid(at.to_string(), format!("{what} {expected}, not {found}"))
}

/// The members of an object.
pub fn members<'n, 'a>(node: &'n Node<'a>, at: &At<'_>) -> Result<&'n Members<'a>, Rejection> {
    match node {
        Node::Object(members) => Ok(members),
        other => Err(wrong_type("an object", other, at)),
    }
}

/// One member of an object.
pub fn member<T: In>(members: &Members<'_>, at: &At<'_>, name: &str) -> Result<T, Rejection> {
    match members.get(name) {
        Some(node) => T::read(node, &at.member(name)),
        None => T::absent().ok_or_else(|| {
            let mut problem = format!("is required ({})", T::EXPECTED);
            if let Some(near) = text::closest(name, members.iter().map(|(name, _)| name)) {
                problem.push_str(&format!(". There is a member {near:?}; did you mean it?"));
            }
            Rejection::invalid(at.member(name).to_string(), problem)
        }),
    }
}

impl Schema for String {
    fn schema(_all: &mut Schemas) -> Value {
        json!({ "type": "string" })
    }
}

impl In for String {
    const EXPECTED: &'static str = "a string";

    fn read(node: &Node<'_>, at: &At<'_>) -> Result<Self, Rejection> {
        match node {
            Node::Text(text) => Ok(text.to_string()),
            other => Err(wrong_type(Self::EXPECTED, other, at)),
        }
    }

    fn take<C: Canonical>(stream: &mut Stream<'_, C>) -> Option<Self> {
        stream.text().map(Cow::into_owned)
    }
}

impl Schema for &str {
    fn schema(all: &mut Schemas) -> Value {
        String::schema(all)
    }
}

impl Schema for i64 {
    fn schema(_all: &mut Schemas) -> Value {
        json!({ "type": "integer", "format": "int64" })
    }
}

impl Schema for bool {
    fn schema(_all: &mut Schemas) -> Value {
        json!({ "type": "boolean" })
    }
}

/// A text, or the word that there is none.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Nullable<'a>(pub Option<&'a str>);

impl Schema for Nullable<'_> {
    fn schema(_all: &mut Schemas) -> Value {
        json!({ "type": ["string", "null"] })
    }
}

/// An object that is written as it is kept, whatever its members are.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Kept(Box<RawValue>);

impl Kept {
    /// The JSON text of an object.
    pub fn new(text: String) -> Result<Self, ApiError> {
        match RawValue::from_string(text) {
            Ok(raw) => Ok(Self(raw)),
            Err(error) => Err(ApiError::internal(format!("a kept text is no JSON: {error}"))),
        }
    }
}

impl Schema for Kept {
    fn schema(_all: &mut Schemas) -> Value {
        json!({ "type": "object", "additionalProperties": true })
    }
}

/// A `T` that was written before, and is written again as it is.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Written<'a, T>(&'a RawValue, #[serde(skip)] PhantomData<T>);

impl<'a, T: serde::Serialize> Written<'a, T> {
    /// The text of a `T`, to be kept.
    pub fn text(value: &T) -> Result<Box<RawValue>, ApiError> {
        to_raw_value(value).map_err(|error| ApiError::internal(format!("cannot write JSON: {error}")))
    }

    /// The same, by its text.
    pub fn again(text: &'a RawValue) -> Self {
        Self(text, PhantomData)
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.0.get().len()
    }
}

impl<T: Schema> Schema for Written<'_, T> {
    fn schema(all: &mut Schemas) -> Value {
        T::schema(all)
    }
}

impl<T: Schema> Schema for Option<T> {
    const OPTIONAL: bool = true;

    fn schema(all: &mut Schemas) -> Value {
        T::schema(all)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: In> In for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(node: &Node<'_>, at: &At<'_>) -> Result<Self, Rejection> {
        match node {
            Node::Null => Ok(None),
            other => T::read(other, at).map(Some),
        }
    }

    fn take<C: Canonical>(stream: &mut Stream<'_, C>) -> Option<Self> {
        match stream.null() {
            true => Some(None),
            false => T::take(stream).map(Some),
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema(all: &mut Schemas) -> Value {
        json!({ "type": "array", "items": T::schema(all) })
    }
}

impl<T: Schema> Schema for &[T] {
    fn schema(all: &mut Schemas) -> Value {
        Vec::<T>::schema(all)
    }
}

/// Room for so many items of an array is made at once.
const AT_ONCE: usize = 256;

impl<T: In> In for Vec<T> {
    const EXPECTED: &'static str = "an array";

    fn read(node: &Node<'_>, at: &At<'_>) -> Result<Self, Rejection> {
        match node {
            Node::Array(items) => {
                // As long as it will be, since collecting what may fail grows by and by; but not for millions of items of which the
                // first is refused.
                let mut all = Vec::with_capacity(items.len().min(AT_ONCE));
                for (index, item) in items.iter().enumerate() {
                    all.push(T::read(item, &at.index(index))?);
                }
                Ok(all)
            }
            other => Err(wrong_type(
                &format!("an array, each item {}", T::EXPECTED),
                other,
                at,
            )),
        }
    }

    fn take<C: Canonical>(stream: &mut Stream<'_, C>) -> Option<Self> {
        // Objects come in dozens, and texts alone or a few together.
        let room = if size_of::<T>() > size_of::<String>() {
            12
        } else {
            4
        };
        let mut all = Vec::with_capacity(room);
        stream.array(|stream| {
            all.push(T::take(stream)?);
            Some(())
        })?;
        Some(all)
    }
}

impl Schema for FieldTexts {
    fn schema(all: &mut Schemas) -> Value {
        Vec::<String>::schema(all)
    }
}

impl In for FieldTexts {
    const EXPECTED: &'static str = Vec::<String>::EXPECTED;

    fn read(node: &Node<'_>, at: &At<'_>) -> Result<Self, Rejection> {
        Vec::read(node, at).map(Self::from_vec)
    }

    fn take<C: Canonical>(stream: &mut Stream<'_, C>) -> Option<Self> {
        let mut all = Self::new();
        stream.array(|stream| {
            all.push(String::take(stream)?);
            Some(())
        })?;
        Some(all)
    }
}

/// Declares an object of a request: the struct, how it is read, and its schema.
macro_rules! body {
    ($(#[doc = $doc:literal])* $name:ident {
        $( $(#[doc = $member_doc:literal])* $member:literal $field:ident : $type:ty ),* $(,)?
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $( $(#[doc = $member_doc])* pub $field: $type ),* }

        impl crate::wire::Schema for $name {
            fn schema(all: &mut crate::wire::Schemas) -> serde_json::Value {
                let mut required: Vec<&str> = Vec::new();
                $( if <$type as crate::wire::In>::absent().is_none() { required.push($member); } )*
                let members = [ $( ($member, concat!("" $(, $member_doc)*), <$type as crate::wire::Schema>::schema(all)) ),* ];
                crate::wire::object_schema(all, stringify!($name), concat!("" $(, $doc)*), &required, members)
            }
        }

        impl crate::wire::In for $name {
            const EXPECTED: &'static str = "an object";

            fn read(
                node: &guildhall_domain::json::Node<'_>,
                at: &guildhall_domain::json::At<'_>,
            ) -> Result<Self, guildhall_domain::Rejection> {
                let members = crate::wire::members(node, at)?;
                Ok(Self { $( $field: crate::wire::member(members, at, $member)? ),* })
            }

            fn take<C: guildhall_domain::json::Canonical>(
                stream: &mut guildhall_domain::json::Stream<'_, C>,
            ) -> Option<Self> {
                $( let mut $field: Option<$type> = None; )*
                stream.object(&[$( $member ),*], |stream, name| {
                    match name {
                        $( $member if $field.is_none() => $field = Some(<$type as crate::wire::In>::take(stream)?), )*
                        // One that we do not know, or that comes a second time.
                        _ => return None,
                    }
                    Some(())
                })?;
                Some(Self {
                    $( $field: match $field {
                        Some(member) => member,
                        None => <$type as crate::wire::In>::absent()?,
                    } ),*
                })
            }
        }
    };
}

/// Declares an object of an answer: the struct, how it is written, and its schema.
macro_rules! answer {
    ($(#[doc = $doc:literal])* $name:ident $(<$life:lifetime>)? {
        $( $(#[doc = $member_doc:literal])* $member:literal $field:ident : $type:ty ),* $(,)?
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, serde::Serialize)]
        pub struct $name $(<$life>)? {
            $( $(#[doc = $member_doc])* #[serde(rename = $member, skip_serializing_if = "crate::wire::Schema::is_absent")]
               pub $field: $type ),*
        }

        impl $(<$life>)? crate::wire::Schema for $name $(<$life>)? {
            fn schema(all: &mut crate::wire::Schemas) -> serde_json::Value {
                let members = [ $( ($member, concat!("" $(, $member_doc)*), <$type as crate::wire::Schema>::schema(all)) ),* ];
                let mut required: Vec<&str> = Vec::new();
                $( if !<$type as crate::wire::Schema>::OPTIONAL { required.push($member); } )*
                crate::wire::object_schema(all, stringify!($name), concat!("" $(, $doc)*), &required, members)
            }
        }
    };
}

pub(crate) use {answer, body};

/// Puts the schema of an object into `all` and returns a reference to it.
pub fn object_schema<const N: usize>(
    all: &mut Schemas,
    name: &str,
    doc: &str,
    required: &[&str],
    members: [(&str, &str, Value); N],
) -> Value {
    // `…In` and `…Out` tell our types apart; the specification's names have neither.
    let name = name.strip_suffix("Out").unwrap_or(name);
    let mut properties = serde_json::Map::new();
    for (member, doc, mut schema) in members {
        if !doc.trim().is_empty()
            && let Value::Object(schema) = &mut schema
        {
            schema.insert("description".into(), doc.trim().into());
        }
        properties.insert(member.into(), schema);
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if let Value::Object(schema) = &mut schema {
        if !required.is_empty() {
            schema.insert("required".into(), required.into());
        }
        if !doc.trim().is_empty() {
            schema.insert("description".into(), doc.trim().into());
        }
    }
    all.insert(name.to_owned(), schema);
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
