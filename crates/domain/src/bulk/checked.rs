//! What of an item can be decided before its turn: its values, from the definitions alone. They are checked where nobody
//! waits, and taken where the item is decided if the definitions are still the same.

use crate::field::{Definitions, FieldTexts, PhoneFormat, Values};
use crate::id::FieldId;

use super::{Edit, Item};

/// The fields and stored values of an item's details, by their places; nothing for one that is refused, which is checked again
/// where it is decided, for its words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked(Vec<Option<(FieldId, FieldTexts)>>);

impl Checked {
    /// Those of an item. None of one that removes values.
    pub fn of(item: &Item, definitions: &Definitions, phone: PhoneFormat) -> Self {
        let check = |name: &str, values: &[String]| {
            let definition = definitions.find(name)?;
            let values = definition.check_hinting(values, phone, false).ok()?;
            Some((definition.id, values))
        };
        Self(match item {
            Item::Manage(item) => {
                let details = item.details.iter();
                details
                    .map(|detail| check(&detail.name, &detail.values))
                    .collect()
            }
            Item::Details(item) => {
                let edits = item.operations.iter();
                edits
                    .map(|edit| match (edit.operation, &edit.values) {
                        (Edit::Update | Edit::Patch, Some(values)) => check(&edit.name, values),
                        _ => None,
                    })
                    .collect()
            }
            Item::Definition(_) => Vec::new(),
        })
    }

    /// All values, if all were right: those that an item has if it creates something.
    pub fn values(&self) -> Option<Values> {
        let mut all = Values::with_capacity(self.0.len());
        for checked in &self.0 {
            let (field, values) = checked.as_ref()?;
            all.set(*field, values.clone());
        }
        Some(all)
    }

    /// The field and the stored values of the detail at this place.
    pub(super) fn at(&self, place: usize) -> Option<(FieldId, &[String])> {
        let (field, values) = self.0.get(place)?.as_ref()?;
        Some((*field, values))
    }
}
