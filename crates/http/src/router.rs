//! From a path and a method to a route of the table.
//!
//! A segment that is spelled out wins over a parameter: `/organization/bulk` is never the
//! organization "bulk". A detail field, though, may be called `bulk`, so a spelled-out path also
//! answers the methods that only `…/details/{fieldName}` has.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::routes::{Route, Space};

/// The page and documents that need no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Public {
    /// `/healthz`
    Health,
    /// `/readyz`
    Ready,
    /// `/openapi.json`
    OpenApi,
    /// `/docs`
    Docs,
    /// `/docs/style.css`
    DocsStyle,
}

/// The public paths.
pub const PUBLIC: [(&str, Public); 5] = [
    ("/healthz", Public::Health),
    ("/readyz", Public::Ready),
    ("/openapi.json", Public::OpenApi),
    ("/docs", Public::Docs),
    ("/docs/style.css", Public::DocsStyle),
];

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A public page.
    Public(Public),
    /// An operation: its place in the table, and the decoded parameters of the path.
    Operation(usize, Vec<(&'static str, String)>),
    /// The path is known, but not with this method.
    WrongMethod {
        /// The value of the `Allow` header.
        allow: String,
    },
    /// Nothing.
    Unknown,
}

/// What one path answers.
#[derive(Clone, Default)]
struct Place {
    public: Option<Public>,
    operations: Vec<Operation>,
}

#[derive(Clone)]
struct Operation {
    method: Method,
    route: usize,
    /// A parameter whose value is the spelled-out segment.
    fixed: Option<(&'static str, &'static str)>,
}

/// The router.
pub struct Router {
    places: matchit::Router<Place>,
    /// Names of parameters, to hand them out without copying.
    names: Vec<&'static str>,
}

impl Router {
    /// The router of a table. Two routes that clash are a mistake in the table.
    pub fn new(routes: &[Route]) -> Result<Self, matchit::InsertError> {
        let mut places = matchit::Router::new();
        for (path, public) in PUBLIC {
            places.insert(
                path,
                Place {
                    public: Some(public),
                    operations: Vec::new(),
                },
            )?;
        }
        let mut names = Vec::new();
        for space in [Space::Vendor, Space::Own, Space::Connector] {
            let mut paths: Vec<&'static str> = routes
                .iter()
                .filter(|route| route.space == space)
                .map(|route| route.path)
                .collect();
            paths.sort_unstable();
            paths.dedup();
            for path in paths {
                let mut operations = own_operations(routes, space, path);
                operations.extend(field_operations(routes, space, path, &operations));
                for prefix in space.prefixes() {
                    let place = Place {
                        public: None,
                        operations: operations.clone(),
                    };
                    places.insert(format!("{prefix}{path}"), place)?;
                }
                names.extend(parameters(path));
            }
        }
        names.push("cloudId");
        names.sort_unstable();
        names.dedup();
        Ok(Self { places, names })
    }

    /// What a method and an undecoded path are for.
    pub fn find(&self, method: &Method, path: &str) -> Found {
        let Ok(found) = self.places.at(path) else {
            return Found::Unknown;
        };
        let place = found.value;
        let get_or_head = method == Method::GET || method == Method::HEAD;
        if let Some(public) = place.public.filter(|_| get_or_head) {
            return Found::Public(public);
        }
        let wanted = |known: &Method| known == method || (method == Method::HEAD && known == Method::GET);
        let Some(operation) = place
            .operations
            .iter()
            .find(|operation| wanted(&operation.method))
        else {
            return Found::WrongMethod { allow: allow(place) };
        };
        let mut parameters: Vec<(&'static str, String)> = Vec::with_capacity(2);
        for (name, value) in found.params.iter() {
            let Some(name) = self.names.iter().find(|known| **known == name) else {
                continue;
            };
            // What is no UTF-8 becomes U+FFFD, which is in no name and no id: it is not found.
            let value = percent_decode_str(value).decode_utf8_lossy();
            parameters.push((name, value.into_owned()));
        }
        parameters.extend(operation.fixed.map(|(name, value)| (name, value.to_owned())));
        Found::Operation(operation.route, parameters)
    }
}

fn own_operations(routes: &[Route], space: Space, path: &str) -> Vec<Operation> {
    let own = routes
        .iter()
        .enumerate()
        .filter(|(_, route)| route.space == space && route.path == path);
    own.map(|(index, route)| Operation {
        method: route.method.clone(),
        route: index,
        fixed: None,
    })
    .collect()
}

/// The operations of `…/{fieldName}` that the spelled-out `path` stands in the way of.
fn field_operations(routes: &[Route], space: Space, path: &'static str, own: &[Operation]) -> Vec<Operation> {
    const PARAMETER: &str = "fieldName";
    let Some((parent, last)) = path.rsplit_once('/') else {
        return Vec::new();
    };
    if last.starts_with('{') {
        return Vec::new();
    }
    let shadowed = routes.iter().enumerate().filter(|(_, route)| {
        route.space == space
            && route.path.strip_prefix(parent) == Some("/{fieldName}")
            && !own.iter().any(|operation| operation.method == route.method)
    });
    shadowed
        .map(|(index, route)| Operation {
            method: route.method.clone(),
            route: index,
            fixed: Some((PARAMETER, last)),
        })
        .collect()
}

/// The names of a path's parameters.
fn parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn allow(place: &Place) -> String {
    let mut methods: Vec<&str> = place
        .operations
        .iter()
        .map(|operation| operation.method.as_str())
        .collect();
    if place.public.is_some() {
        methods.push("GET");
    }
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.dedup();
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::routes;

    fn found(method: &Method, path: &str) -> (u8, Vec<(&'static str, String)>) {
        let routes = routes();
        let router = Router::new(&routes).unwrap();
        match router.find(method, path) {
            Found::Operation(index, parameters) => (routes[index].row, parameters),
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    fn finds_nothing(method: &Method, path: &str) -> Found {
        Router::new(&routes()).unwrap().find(method, path)
    }

    #[test]
    fn all_three_prefixes_lead_to_the_same_operation() {
        assert_eq!(found(&Method::GET, "/api/v1/organization/7").0, 5);
        assert_eq!(found(&Method::GET, "/jsm/csm/api/v1/organization/7").0, 5);
        let (row, parameters) = found(&Method::GET, "/jsm/csm/cloudid/abc/api/v1/organization/7");
        assert_eq!(row, 5);
        assert_eq!(
            parameters,
            [("cloudId", "abc".to_owned()), ("organizationId", "7".to_owned())]
        );
    }

    #[test]
    fn spelled_out_segments_win_over_parameters() {
        assert_eq!(found(&Method::POST, "/api/v1/organization/bulk").0, 18);
        assert_eq!(found(&Method::GET, "/api/v1/organization/profile/1").0, 13);
        for path in [
            "/api/v1/organization/bulk",
            "/api/v1/organization/fetch",
            "/api/v1/customer/bulk",
        ] {
            let Found::WrongMethod { allow } = finds_nothing(&Method::GET, path) else {
                panic!("{path}")
            };
            assert_eq!(allow, "POST");
        }
    }

    #[test]
    fn a_field_may_be_called_bulk() {
        let (row, parameters) = found(&Method::PUT, "/api/v1/organization/details/bulk");
        assert_eq!((row, parameters), (3, vec![("fieldName", "bulk".to_owned())]));
        assert_eq!(found(&Method::DELETE, "/api/v1/customer/details/bulk").0, 23);
        assert_eq!(found(&Method::POST, "/api/v1/organization/details/bulk").0, 19);
    }

    #[test]
    fn parameters_are_decoded() {
        let (_, parameters) = found(&Method::PUT, "/api/v1/organization/details/A%2FB%20%C3%A4%25");
        assert_eq!(parameters, [("fieldName", "A/B ä%".to_owned())]);
        let (_, parameters) = found(&Method::PUT, "/api/v1/organization/details/a%FF");
        assert_eq!(parameters, [("fieldName", "a\u{fffd}".to_owned())]);
    }

    #[test]
    fn unknown_paths_and_methods() {
        assert_eq!(
            finds_nothing(&Method::GET, "/api/v1/organization/1/"),
            Found::Unknown
        );
        assert_eq!(finds_nothing(&Method::GET, "/nothing"), Found::Unknown);
        let Found::WrongMethod { allow } = finds_nothing(&Method::PATCH, "/api/v1/organization/1") else {
            panic!("PATCH was found");
        };
        assert_eq!(allow, "DELETE, GET, HEAD, PUT");
        assert_eq!(
            finds_nothing(&Method::HEAD, "/healthz"),
            Found::Public(Public::Health)
        );
    }
}
