//! One definition: what a field is called, its type and its options, and how they may change.
//! Which values it takes is in `value.rs`.

use super::{FieldType, options};
use crate::limits::NAME_CHARS_MAX;
use crate::{Excerpt, FieldId, Rejection, text};

/// A detail field as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Never used again, for stored values are kept by it.
    pub id: FieldId,
    /// Trimmed, NFC, 1 to 255 characters.
    pub name: String,
    /// [`text::key`] of the name; unique among the fields of an entity kind.
    pub key: String,
    /// Never changes.
    pub field_type: FieldType,
    /// Of SELECT and MULTISELECT, in the order given, at least one; empty for other types.
    pub options: Vec<String>,
    /// Display order, from 1; with gaps after deletes.
    pub position: i64,
}

/// A detail field that is to be created: complete and valid, but for what depends on the others
/// (see `Definitions::plan_add`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDefinition {
    /// Trimmed, NFC, 1 to 255 characters.
    pub name: String,
    /// [`text::key`] of the name.
    pub key: String,
    /// As asked for.
    pub field_type: FieldType,
    /// Of SELECT and MULTISELECT, at least one; empty for other types.
    pub options: Vec<String>,
}

impl NewDefinition {
    /// Checks a definition as it came in: `name`, `type.name` and `type.options` (docs/api.md,
    /// "Field definitions").
    ///
    /// # Errors
    ///
    /// `Invalid` at `name`, `type.name`, `type.options` or `type.options[2]`.
    pub fn check(name: &str, type_name: &str, options: Option<&[String]>) -> Result<Self, Rejection> {
        let name = check_name(name)?;
        let field_type = check_type(type_name)?;
        let options = match options {
            None | Some([]) if field_type.has_options() => {
                return Err(options_missing(field_type, "type.options"));
            }
            Some([_, ..]) if !field_type.has_options() => {
                return Err(options_surplus(field_type, "type.options"));
            }
            None => Vec::new(),
            Some(options) => options::check(options, "type.options")?,
        };
        Ok(Self {
            key: text::key(&name),
            name,
            field_type,
            options,
        })
    }
}

/// Checks of an edit what needs no data, so that a caller can refuse it before the field is looked
/// up (docs/api.md, "Order of checks").
///
/// # Errors
///
/// `Invalid` at `name`, `options` or `options[2]`.
pub fn check_edit_shape(new_name: &str, options: Option<&[String]>) -> Result<(), Rejection> {
    check_name(new_name)?;
    options.map_or(Ok(()), |options| options::check(options, "options").map(drop))
}

impl Definition {
    /// This definition after an edit: always a name, and all options anew where any are given
    /// (docs/api.md, "Field definitions"). Whether the name is free is not known here.
    pub(super) fn edited(&self, new_name: &str, options: Option<&[String]>) -> Result<Self, Rejection> {
        let name = check_name(new_name)?;
        let options = match options {
            None => self.options.clone(),
            Some([]) if self.field_type.has_options() => {
                return Err(options_missing(self.field_type, "options"));
            }
            Some([_, ..]) if !self.field_type.has_options() => {
                return Err(options_surplus(self.field_type, "options"));
            }
            Some(options) => options::check(options, "options")?,
        };
        Ok(Self {
            key: text::key(&name),
            name,
            options,
            ..self.clone()
        })
    }
}

fn check_name(raw: &str) -> Result<String, Rejection> {
    text::name(raw, NAME_CHARS_MAX)
        .map_err(|problem| Rejection::invalid("name", format!("the name {:?} {problem}", Excerpt(raw))))
}

fn check_type(name: &str) -> Result<FieldType, Rejection> {
    if let Some(known) = FieldType::parse(name) {
        return Ok(known);
    }
    let names = FieldType::ALL.map(FieldType::name);
    let problem = if name == "ASSETS_OBJECT" {
        "\"ASSETS_OBJECT\" is not supported, since there is no Assets here; a TEXT or URL field can hold the reference"
            .to_owned()
    } else {
        let hint = text::closest(name, names)
            .map(|near| format!(" Did you mean {near:?}?"))
            .unwrap_or_default();
        format!(
            "there is no field type {:?}.{hint} The types are {}",
            Excerpt(name),
            names.join(", ")
        )
    };
    Err(Rejection::invalid("type.name", problem))
}

fn options_missing(field_type: FieldType, at: &str) -> Rejection {
    let problem = format!(
        "a {} field needs at least one option, such as [\"EU\", \"US\"]",
        field_type.name()
    );
    Rejection::invalid(at, problem)
}

fn options_surplus(field_type: FieldType, at: &str) -> Rejection {
    let problem = format!(
        "a {} field has no options; leave them out, or make it a SELECT or MULTISELECT field",
        field_type.name()
    );
    Rejection::invalid(at, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, type_name: &str, options: Option<&[&str]>) -> Result<NewDefinition, String> {
        let options = options.map(|options| {
            options
                .iter()
                .map(|option| (*option).to_owned())
                .collect::<Vec<_>>()
        });
        NewDefinition::check(name, type_name, options.as_deref()).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_new_definition_is_stored_as_names_are() {
        let region = check(" Region\u{a0}", "SELECT", Some(&["AU", " EU"])).unwrap();
        assert_eq!((region.name.as_str(), region.key.as_str()), ("Region", "region"));
        assert_eq!((region.field_type, region.options.len()), (FieldType::Select, 2));
        for kind in FieldType::ALL {
            let options: Option<&[&str]> = if kind.has_options() { Some(&["a"]) } else { None };
            assert_eq!(check("x", kind.name(), options).unwrap().field_type, kind);
        }
    }

    #[test]
    fn a_name_is_refused_at_name() {
        assert_eq!(
            check(" ", "TEXT", None).unwrap_err(),
            "name: the name \" \" must not be blank; send 1 to 255 characters"
        );
        assert!(
            check(&"x".repeat(256), "TEXT", None)
                .unwrap_err()
                .contains("at most 255 characters, and this has 256")
        );
        assert!(check(&"x".repeat(255), "TEXT", None).is_ok());
        assert!(
            check("a\u{1}", "TEXT", None)
                .unwrap_err()
                .starts_with("name: the name \"a\\u{1}\"")
        );
    }

    #[test]
    fn an_unknown_type_lists_the_ten_and_the_closest() {
        assert_eq!(
            check("x", "MULTI_SELECT", None).unwrap_err(),
            "type.name: there is no field type \"MULTI_SELECT\". Did you mean \"MULTISELECT\"? The types are TEXT, NUMBER, BOOLEAN, DATE, EMAIL, PHONE, URL, SELECT, MULTISELECT, USER"
        );
        assert!(
            check("x", "text", None)
                .unwrap_err()
                .contains("Did you mean \"TEXT\"?")
        );
        assert!(!check("x", "JSONB", None).unwrap_err().contains("Did you mean"));
        assert!(
            check("x", "", None)
                .unwrap_err()
                .starts_with("type.name: there is no field type \"\"")
        );
        assert!(
            check("x", "ASSETS_OBJECT", None)
                .unwrap_err()
                .contains("no Assets here")
        );
    }

    #[test]
    fn options_go_with_their_types() {
        for kind in ["SELECT", "MULTISELECT"] {
            for none in [None, Some([].as_slice())] {
                let refusal = check("x", kind, none).unwrap_err();
                assert!(
                    refusal.starts_with(&format!("type.options: a {kind} field needs at least one")),
                    "{refusal}"
                );
            }
            let refusal = check("x", kind, Some(&["a", "A"])).unwrap_err();
            assert!(refusal.starts_with("type.options[1]: "), "{refusal}");
        }
        for kind in FieldType::ALL.into_iter().filter(|kind| !kind.has_options()) {
            assert_eq!(
                check("x", kind.name(), Some(&[])).unwrap().options,
                Vec::<String>::new()
            );
            let refusal = check("x", kind.name(), Some(&["a"])).unwrap_err();
            assert!(
                refusal.starts_with("type.options: ") && refusal.contains("has no options"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn the_shape_of_an_edit_needs_no_data() {
        let texts = |options: &[&str]| {
            options
                .iter()
                .map(|option| (*option).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(check_edit_shape("Region", None), Ok(()));
        assert_eq!(check_edit_shape("Region", Some(&[])), Ok(()));
        assert_eq!(check_edit_shape("Region", Some(&texts(&["a", "b"]))), Ok(()));
        assert!(
            check_edit_shape("", None)
                .unwrap_err()
                .to_string()
                .starts_with("name: ")
        );
        let refusal = check_edit_shape("Region", Some(&texts(&["a", " A "]))).unwrap_err();
        assert!(refusal.to_string().starts_with("options[1]: "));
    }
}
