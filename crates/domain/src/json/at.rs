//! Where in a document a reader is. Kept on the stack as a linked list that costs nothing until a
//! message needs it.

use crate::Excerpt;
use std::fmt;

/// A path such as `organizationProfiles[3].payload.details[0].values`; the root prints nothing.
///
/// ```
/// use guildhall_domain::json::At;
/// let root = At::root();
/// let profiles = root.member("organizationProfiles");
/// let third = profiles.index(3);
/// assert_eq!(third.member("payload").to_string(), "organizationProfiles[3].payload");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct At<'p> {
    parent: Option<&'p At<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    Root,
    Member(&'p str),
    Index(usize),
}

impl<'p> At<'p> {
    /// The document as a whole.
    pub fn root() -> Self {
        Self {
            parent: None,
            step: Step::Root,
        }
    }

    /// The member `name` of the object here.
    #[must_use]
    pub fn member<'q>(&'q self, name: &'q str) -> At<'q> {
        At {
            parent: Some(self),
            step: Step::Member(name),
        }
    }

    /// The item at `index`, counted from 0, of the array here.
    #[must_use]
    pub fn index(&self, index: usize) -> At<'_> {
        At {
            parent: Some(self),
            step: Step::Index(index),
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(f, "[{index}]"),
            // A name that could be read as more than one step, or that is very long, is quoted.
            Step::Member(name) if !is_plain(name) => write!(f, "[{:?}]", Excerpt(name)),
            Step::Member(name)
                if self
                    .parent
                    .is_some_and(|parent| matches!(parent.step, Step::Root)) =>
            {
                f.write_str(name)
            }
            Step::Member(name) => write!(f, ".{name}"),
        }
    }
}

fn is_plain(name: &str) -> bool {
    const LONGEST: usize = 60;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'$');
    !name.is_empty() && name.len() <= LONGEST && name.bytes().all(plain)
}
