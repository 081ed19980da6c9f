//! All definitions of one entity kind: finding a field, and what depends on the other fields when
//! one is added or changed.

use super::definition::{Definition, NewDefinition};
use crate::limits::DETAIL_FIELDS_MAX;
use crate::{Excerpt, FieldId, Rejection, Thing, text};
use std::collections::HashMap;

/// The definitions of one entity kind of one tenant, ordered by position.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    ordered: Vec<Definition>,
    by_key: HashMap<String, usize>,
    by_id: HashMap<FieldId, usize>,
}

impl Definitions {
    /// Orders and indexes what is stored; the keys are the stored ones.
    pub fn new(mut definitions: Vec<Definition>) -> Self {
        definitions.sort_by_key(|definition| (definition.position, definition.id));
        let indexes = || definitions.iter().enumerate();
        let by_key = indexes()
            .map(|(index, definition)| (definition.key.clone(), index))
            .collect();
        let by_id = indexes()
            .map(|(index, definition)| (definition.id, index))
            .collect();
        Self {
            ordered: definitions,
            by_key,
            by_id,
        }
    }

    /// By position.
    pub fn iter(&self) -> std::slice::Iter<'_, Definition> {
        self.ordered.iter()
    }

    /// The field of this name, compared as names are (trimmed, NFC, without case).
    pub fn find(&self, name: &str) -> Option<&Definition> {
        self.by_key
            .get(&text::key(name))
            .map(|index| &self.ordered[*index])
    }

    /// The field of this name, looked for at the place `next` first, and `next` is made the one behind it: whoever names many
    /// fields mostly does so in their order and as they are written, which costs a comparison of texts.
    ///
    /// # Errors
    ///
    /// `NotFound`, with the closest name.
    pub fn require_near(&self, name: &str, next: &mut usize) -> Result<&Definition, Rejection> {
        let near = self.ordered.get(*next).filter(|known| known.name == name);
        let found = match near {
            Some(near) => near,
            None => self.require(name)?,
        };
        *next = match near {
            Some(_) => *next + 1,
            None => self.by_id.get(&found.id).map_or(0, |at| at + 1),
        };
        Ok(found)
    }

    /// The field with this id.
    pub fn get(&self, id: FieldId) -> Option<&Definition> {
        self.by_id.get(&id).map(|index| &self.ordered[*index])
    }

    /// The field of this name.
    ///
    /// # Errors
    ///
    /// `NotFound`, with the closest name.
    pub fn require(&self, name: &str) -> Result<&Definition, Rejection> {
        self.find(name).ok_or_else(|| Rejection::NotFound {
            thing: Thing::DetailField,
            id: name.to_owned(),
            closest: text::closest(name, self.iter().map(|known| known.name.as_str())).map(str::to_owned),
        })
    }

    /// The position at which `new` is to be added: after the last, from 1.
    ///
    /// # Errors
    ///
    /// `Invalid` at `name` when the name is taken, of the whole when there are 50 fields already.
    pub fn plan_add(&self, new: &NewDefinition) -> Result<i64, Rejection> {
        if let Some(index) = self.by_key.get(&new.key) {
            return Err(taken(&new.name, &self.ordered[*index]));
        }
        if self.ordered.len() >= DETAIL_FIELDS_MAX {
            let problem = format!(
                "there are {} detail fields already, and at most {DETAIL_FIELDS_MAX} are allowed; delete one before adding {:?}",
                self.ordered.len(),
                Excerpt(&new.name),
            );
            return Err(Rejection::invalid("", problem));
        }
        let highest = self.ordered.last().map_or(0, |last| last.position.max(0));
        Ok(highest.saturating_add(1))
    }

    /// The field `current` after an edit: renamed to `new_name` (its own name keeps it, another
    /// letter case changes it) and, where `options` are given, with just these. Id, type and
    /// position stay (docs/api.md, "Field definitions").
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such field; else `Invalid` at `name` or `options`.
    pub fn plan_edit(
        &self,
        current: &str,
        new_name: &str,
        options: Option<&[String]>,
    ) -> Result<Definition, Rejection> {
        let edited = self.require(current)?.edited(new_name, options)?;
        match self.by_key.get(&edited.key).map(|index| &self.ordered[*index]) {
            Some(other) if other.id != edited.id => Err(taken(&edited.name, other)),
            _ => Ok(edited),
        }
    }
}

fn taken(name: &str, by: &Definition) -> Rejection {
    let problem = format!(
        "the name {:?} is taken by the {} field {:?}; names must differ in more than letter case",
        Excerpt(name),
        by.field_type.name(),
        Excerpt(&by.name)
    );
    Rejection::invalid("name", problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::FieldType;

    fn definition(id: i64, name: &str, field_type: FieldType, position: i64) -> Definition {
        let options = if field_type.has_options() {
            texts(&["AU", "EU"])
        } else {
            vec![]
        };
        Definition {
            id: FieldId(id),
            name: name.into(),
            key: text::key(name),
            field_type,
            options,
            position,
        }
    }

    fn texts(options: &[&str]) -> Vec<String> {
        options.iter().map(|option| (*option).to_owned()).collect()
    }

    fn sample() -> Definitions {
        Definitions::new(vec![
            definition(3, "Phone Number", FieldType::Phone, 41),
            definition(9, "Region", FieldType::Select, 2),
            definition(4, "Straße", FieldType::Text, 7),
        ])
    }

    fn new_text(name: &str) -> NewDefinition {
        NewDefinition::check(name, "TEXT", None).unwrap()
    }

    #[test]
    fn ordered_by_position_and_found_by_name_or_id() {
        let fields = sample();
        assert_eq!(
            fields.iter().map(|field| field.id.0).collect::<Vec<_>>(),
            [9, 4, 3]
        );
        assert_eq!(fields.find(" rEGION ").map(|field| field.id), Some(FieldId(9)));
        assert_eq!(fields.find("STRASSE").map(|field| field.id), Some(FieldId(4)));
        assert_eq!(
            fields.get(FieldId(3)).map(|field| field.name.as_str()),
            Some("Phone Number")
        );
        assert_eq!((fields.find("Regions"), fields.get(FieldId(1))), (None, None));
    }

    #[test]
    fn a_field_is_found_wherever_it_is_looked_for_first() {
        let fields = sample();
        let found = |name: &str, mut next: usize| {
            let id = fields.require_near(name, &mut next).map(|field| field.id.0);
            (id.ok(), next)
        };
        for from in 0..9 {
            assert_eq!(found("Region", from), (Some(9), 1));
            assert_eq!(found(" rEGION", from), (Some(9), 1));
            assert_eq!(found("STRASSE", from), (Some(4), 2));
            assert_eq!(found("Phone Number", from), (Some(3), 3));
            assert_eq!(found("Regions", from), (None, from));
        }
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_closest_name() {
        let fields = sample();
        assert!(fields.require("region").is_ok());
        let refusal = fields.require("Regoin").unwrap_err().to_string();
        assert_eq!(
            refusal,
            "There is no detail field \"Regoin\". Did you mean \"Region\"?"
        );
        let refusal = fields.require("Industry").unwrap_err().to_string();
        assert_eq!(refusal, "There is no detail field \"Industry\"");
    }

    #[test]
    fn a_new_field_goes_last() {
        assert_eq!(sample().plan_add(&new_text("Industry")), Ok(42));
        assert_eq!(Definitions::new(vec![]).plan_add(&new_text("Industry")), Ok(1));
    }

    #[test]
    fn a_new_field_needs_a_free_name() {
        assert_eq!(
            sample().plan_add(&new_text("REGION")).unwrap_err().to_string(),
            "name: the name \"REGION\" is taken by the SELECT field \"Region\"; names must differ in more than letter case"
        );
    }

    #[test]
    fn fifty_fields_and_no_more() {
        let fields = |count: i64| {
            Definitions::new(
                (1..=count)
                    .map(|id| definition(id, &format!("f{id}"), FieldType::Text, id))
                    .collect(),
            )
        };
        assert_eq!(fields(49).plan_add(&new_text("x")), Ok(50));
        let refusal = fields(50).plan_add(&new_text("x")).unwrap_err().to_string();
        assert!(
            refusal.starts_with("there are 50 detail fields already, and at most 50"),
            "{refusal}"
        );
        let refusal = fields(50).plan_add(&new_text("F7")).unwrap_err().to_string();
        assert!(refusal.starts_with("name: "), "{refusal}");
    }

    #[test]
    fn an_edit_renames_and_replaces_options() {
        let fields = sample();
        let same = fields.plan_edit("region", "Region", None).unwrap();
        assert_eq!(Some(&same), fields.find("Region"));
        let edited = fields
            .plan_edit("Region", " REGION ", Some(&texts(&["US ", "EU"])))
            .unwrap();
        assert_eq!((edited.name.as_str(), edited.key.as_str()), ("REGION", "region"));
        assert_eq!(edited.options, ["US", "EU"]);
        assert_eq!(
            (edited.id, edited.position, edited.field_type),
            (FieldId(9), 2, FieldType::Select)
        );
        let renamed = fields.plan_edit("strasse", "Street", Some(&[])).unwrap();
        assert_eq!(
            (renamed.name.as_str(), renamed.key.as_str(), renamed.options.len()),
            ("Street", "street", 0)
        );
    }

    #[test]
    fn an_edit_is_refused() {
        let fields = sample();
        let refused = |current: &str, name: &str, options: Option<&[String]>| {
            fields.plan_edit(current, name, options).unwrap_err().to_string()
        };
        assert!(refused("Regio", "x", None).starts_with("There is no detail field \"Regio\""));
        assert!(
            refused("Region", "phone number", None).starts_with("name: the name \"phone number\" is taken")
        );
        assert!(refused("Region", " ", None).starts_with("name: "));
        assert!(
            refused("Region", "Region", Some(&[])).starts_with("options: a SELECT field needs at least one")
        );
        assert!(refused("Region", "Region", Some(&texts(&["a", "A"]))).starts_with("options[1]: "));
        assert!(
            refused("Straße", "Straße", Some(&texts(&["a"])))
                .starts_with("options: a TEXT field has no options")
        );
    }
}
