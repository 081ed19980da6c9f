//! The values that an entity has, by field.

use crate::FieldId;
use smallvec::SmallVec;
use std::sync::Arc;

/// The values of one field. There is mostly one, which stands in place: a list of its own would be a third of what memory is
/// taken for where an object is checked.
pub type FieldTexts = SmallVec<[String; 1]>;

/// The values of one entity by field, in the order of the fields' ids; a field without values is absent. A list, since there are
/// few, and they mostly come in their order. A clone shares it, until one of the two is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(Arc<Vec<(FieldId, FieldTexts)>>);

impl Values {
    /// With room for so many fields.
    pub fn with_capacity(fields: usize) -> Self {
        Self(Arc::new(Vec::with_capacity(fields)))
    }

    /// Where a field stands, or would.
    fn place(&self, field: FieldId) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if *last < field => Err(self.0.len()),
            _ => self.0.binary_search_by_key(&field, |(field, _)| *field),
        }
    }

    /// The values of a field; none when it is unset.
    pub fn get(&self, field: FieldId) -> &[String] {
        self.place(field).map_or(&[], |place| &self.0[place].1)
    }

    /// Replaces the values of a field; none unset it.
    pub fn set(&mut self, field: FieldId, values: impl Into<FieldTexts>) {
        let values = values.into();
        let place = self.place(field);
        if place.is_err() && values.is_empty() {
            return;
        }
        let all = Arc::make_mut(&mut self.0);
        match place {
            Ok(place) if values.is_empty() => drop(all.remove(place)),
            Ok(place) => all[place].1 = values,
            Err(place) => all.insert(place, (field, values)),
        }
    }

    /// The fields that have values, and their values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (FieldId, &[String])> {
        self.0.iter().map(|(field, values)| (*field, values.as_slice()))
    }

    /// How many fields have values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no field has a value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Into<FieldTexts>> FromIterator<(FieldId, T)> for Values {
    fn from_iter<I: IntoIterator<Item = (FieldId, T)>>(all: I) -> Self {
        let all = all.into_iter();
        let mut values = Self::with_capacity(all.size_hint().0);
        for (field, of_it) in all {
            values.set(field, of_it);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn values_of_an_entity() {
        let mut values = Values::default();
        assert!(values.is_empty());
        values.set(FieldId(1), texts(&["a"]));
        assert_eq!(
            (values.get(FieldId(1)), values.get(FieldId(2))),
            (texts(&["a"]).as_slice(), [].as_slice())
        );
        values.set(FieldId(1), vec![]);
        values.set(FieldId(2), vec![]);
        assert!(values.is_empty());
    }

    proptest! {
        /// In whatever order fields are set and cleared, values are those of a map.
        #[test]
        fn values_are_a_map_by_field(changes in prop::collection::vec((0_i64..6, prop::collection::vec("[ab]", 0..3)), 0..12)) {
            let (mut values, mut map) = (Values::default(), BTreeMap::new());
            for (field, of_it) in changes {
                let field = FieldId(field);
                values.set(field, of_it.clone());
                match of_it.is_empty() {
                    true => map.remove(&field),
                    false => map.insert(field, of_it),
                };
            }
            for field in (0..6).map(FieldId) {
                prop_assert_eq!(values.get(field), map.get(&field).map_or(&[][..], Vec::as_slice));
            }
            prop_assert_eq!((values.len(), values.is_empty()), (map.len(), map.is_empty()));
            let all: Vec<_> = values.iter().map(|(field, values)| (field, values.to_vec())).collect();
            prop_assert_eq!(&all, &map.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!(map.into_iter().rev().collect::<Values>(), values);
        }
    }
}
