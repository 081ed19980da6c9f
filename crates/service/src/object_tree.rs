//! What hangs together with an object: its parent, its container, what is below it and in it, and its
//! categories. Keys may point to nothing and in circles; each object is told of once.

use std::collections::BTreeSet;

use guildhall_domain::connector::ObjectType;
use guildhall_domain::json::{self, Members, Node};
use guildhall_domain::{Caller, Rejection, Thing, limits};
use guildhall_storage::{Child, NamedObject, ObjectId, ReadTx};

use crate::connections::meant;
use crate::{Error, Service};

/// An object that another one points to; without a name it does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointed {
    /// Its type, as the one that points to it has it.
    pub object_type: String,
    /// Its id.
    pub id: String,
    /// What it is called.
    pub display_name: Option<String>,
}

/// An object below another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descendant {
    /// How far below; children are at 1.
    pub depth: i64,
    /// The object and its parent.
    pub child: Child,
}

/// What hangs together with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectTree {
    /// The id of the connection.
    pub connection_id: String,
    /// The object.
    pub object: NamedObject,
    /// Its parent.
    pub parent: Option<Pointed>,
    /// Its container.
    pub container: Option<Pointed>,
    /// The categories that it is in.
    pub categories: Vec<Pointed>,
    /// What is below it, level by level.
    pub descendants: Vec<Descendant>,
    /// What names it as its container.
    pub contents: Vec<NamedObject>,
    /// Where it is a category: what is in it.
    pub members: Vec<NamedObject>,
    /// Whether one of these lists is not whole.
    pub truncated: bool,
}

impl Service {
    /// What hangs together with an object, down to some level below it: 1 where none is asked for.
    pub async fn object_tree(
        &self,
        caller: &Caller,
        connection_id: Option<&str>,
        (object_type, id): (ObjectType, &str),
        depth: Option<i64>,
    ) -> Result<ObjectTree, Error> {
        let depth = depth.unwrap_or(1).clamp(0, limits::TREE_DEPTH_MAX);
        let max = usize::try_from(limits::TREE_OBJECTS_MAX).unwrap_or(usize::MAX);
        self.store
            .read_aside(caller.tenant, async |tx| {
                let connection = meant(tx, connection_id).await?;
                let number = connection.number;
                let found = match id.contains('\0') {
                    true => None,
                    false => tx.object(number, object_type, id).await?,
                };
                let found = found.ok_or(Rejection::NotThere(Thing::Object))?;
                let root: ObjectId = (object_type, id.to_owned());
                let (parent, container) = pointers(&found.body);
                let categories = tx.categories(number, &root).await?;
                let of_category = |id: String| (ObjectType::CustomerOrgCategory.name().to_owned(), Some(id));
                let categories = categories.into_iter().map(of_category).collect();
                let mut pointed = resolve(
                    tx,
                    number,
                    [
                        parent.into_iter().collect(),
                        container.into_iter().collect(),
                        categories,
                    ],
                )
                .await?;
                let mut descendants = descendants(tx, number, &root, depth).await?;
                let mut contents = tx.contents(number, &root, limits::TREE_OBJECTS_MAX + 1).await?;
                let mut members = match object_type {
                    ObjectType::CustomerOrgCategory => {
                        tx.objects_in_category(number, id, limits::TREE_OBJECTS_MAX + 1)
                            .await?
                    }
                    _ => Vec::new(),
                };
                let truncated = descendants.len() > max || contents.len() > max || members.len() > max;
                descendants.truncate(max);
                contents.truncate(max);
                members.truncate(max);
                let [parent, container, categories] = &mut pointed;
                Ok(ObjectTree {
                    connection_id: connection.id,
                    object: NamedObject {
                        id: root,
                        display_name: found.display_name,
                    },
                    parent: parent.pop(),
                    container: container.pop(),
                    categories: std::mem::take(categories),
                    descendants,
                    contents,
                    members,
                    truncated,
                })
            })
            .await
    }
}

/// What an object points to: type and id, where it names one.
type Pointer = (String, Option<String>);

/// The parent and the container that a canonical text names.
fn pointers(body: &str) -> (Option<Pointer>, Option<Pointer>) {
    let Ok(Node::Object(members)) = json::parse(body.as_bytes()) else {
        return (None, None);
    };
    let text = |members: &Members<'_>, name: &str| match members.get(name) {
        Some(Node::Text(text)) => Some(text.to_string()),
        _ => None,
    };
    let pointer = |name: &str| match members.get(name) {
        Some(Node::Object(key)) => {
            let id = match key.get("value") {
                Some(Node::Object(value)) => text(value, "entityId"),
                _ => None,
            };
            Some((text(key, "type")?, id))
        }
        _ => None,
    };
    (pointer("parentKey"), pointer("containerKey"))
}

/// Finds the names of what is pointed to; what has no id of ours is left out.
async fn resolve(
    tx: &mut ReadTx<'_>,
    connection: i64,
    lists: [Vec<Pointer>; 3],
) -> Result<[Vec<Pointed>; 3], Error> {
    let ids: BTreeSet<ObjectId> = lists
        .iter()
        .flatten()
        .filter_map(|(object_type, id)| Some((ObjectType::parse(object_type)?, id.clone()?)))
        .collect();
    let ids: Vec<ObjectId> = ids.into_iter().collect();
    let named = match ids.is_empty() {
        true => Vec::new(),
        false => tx.named_objects(connection, &ids).await?,
    };
    let name = |object_type: &str, id: &str| {
        let found = named
            .iter()
            .find(|object| object.id.0.name() == object_type && object.id.1 == id)?;
        Some(found.display_name.clone())
    };
    Ok(lists.map(|list| {
        let pointed = list.into_iter().filter_map(|(object_type, id)| {
            let id = id?;
            Some(Pointed {
                display_name: name(&object_type, &id),
                object_type,
                id,
            })
        });
        pointed.collect()
    }))
}

/// What is below an object, level by level; one more than are told where there are too many.
async fn descendants(
    tx: &mut ReadTx<'_>,
    connection: i64,
    root: &ObjectId,
    depth: i64,
) -> Result<Vec<Descendant>, Error> {
    let max = usize::try_from(limits::TREE_OBJECTS_MAX).unwrap_or(usize::MAX);
    let mut known = BTreeSet::from([root.clone()]);
    let mut level = vec![root.clone()];
    let mut found = Vec::new();
    for depth in 1..=depth {
        if level.is_empty() || found.len() > max {
            break;
        }
        let children = tx
            .children(connection, &level, limits::TREE_OBJECTS_MAX + 1)
            .await?;
        let new: Vec<Child> = children
            .into_iter()
            .filter(|child| known.insert(child.object.id.clone()))
            .collect();
        level = new.iter().map(|child| child.object.id.clone()).collect();
        found.extend(new.into_iter().map(|child| Descendant { depth, child }));
    }
    Ok(found)
}
