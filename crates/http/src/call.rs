//! One request on its way to its handler: who calls, what the path, the query and the body say; and
//! the handler's reply on its way back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use guildhall_domain::json::{self, At, Node};
use guildhall_domain::list::ListKind;
use guildhall_domain::{Caller, Excerpt, OrganizationId, Rejection, text};
use guildhall_service::{Authenticated, Service};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use crate::error::ApiError;
use crate::kept::{KeptAnswers, PageKey, Shown};
use crate::wire::{self, In};

/// The type of the answers of operations.
const JSON: &str = "application/json";

/// What a handler gives back.
pub struct Reply {
    /// The type and the bytes of the body; without it the status is 204.
    pub content: Option<(&'static str, Bytes)>,
    /// A header that belongs to it.
    pub header: Option<(HeaderName, HeaderValue)>,
    /// Which answer about the organization that the path names it is, where it is one that is kept.
    pub shown: Option<Shown>,
}

impl Reply {
    /// 200 with this as JSON.
    pub fn json(value: &impl Serialize) -> Result<Self, ApiError> {
        Self::json_of(128, value)
    }

    /// 200 with this as JSON, which takes so many bytes, about.
    pub fn json_of(bytes: usize, value: &impl Serialize) -> Result<Self, ApiError> {
        let mut body = Vec::with_capacity(bytes);
        serde_json::to_writer(&mut body, value).map_err(|e| {
            ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("cannot write JSON: {e}"),
            )
        })?;
        Ok(Self::content(JSON, body))
    }

    /// 200 with a body of this type.
    pub fn content(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            content: Some((content_type, body.into())),
            header: None,
            shown: None,
        }
    }

    /// 204 without a body.
    pub fn no_content() -> Self {
        Self {
            content: None,
            header: None,
            shown: None,
        }
    }

    /// The same as one that is kept.
    fn of(self, which: Shown) -> Self {
        Self {
            shown: Some(which),
            ..self
        }
    }

    /// The same with a header.
    #[must_use]
    pub fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }
}

/// What handlers return.
pub type Handled = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send>>;

/// A request that was let through to its operation.
pub struct Call {
    /// The operations.
    pub service: Arc<Service>,
    /// Answers that were made earlier.
    pub kept: Arc<KeptAnswers>,
    /// Who calls.
    pub who: Arc<Authenticated>,
    /// Decoded parameters of the path, by name.
    pub params: Vec<(&'static str, String)>,
    /// Decoded parameters of the query, in order.
    pub query: Vec<(String, String)>,
    /// The headers of the request.
    pub headers: HeaderMap,
    /// The body, empty where the operation takes none.
    pub body: Bytes,
}

impl Call {
    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.who.caller
    }

    /// A parameter of the path.
    pub fn path(&self, name: &str) -> &str {
        self.params
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("", |(_, value)| value)
    }

    /// A parameter of the query. Given twice, it is refused.
    pub fn query(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut found = self.query.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        match found.next() {
            Some(_) => Err(ApiError::invalid(name, "is given twice in the query")),
            None => Ok(value),
        }
    }

    /// A whole number of the query.
    pub fn query_number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.query(name)? else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            // Beyond 64 bits it is still a number, only a large one.
            Err(_) if is_integer(text) => Ok(Some(if text.starts_with('-') { i64::MIN } else { i64::MAX })),
            Err(_) => Err(ApiError::invalid(
                name,
                format!("must be a whole number, not {:?}", Excerpt(text)),
            )),
        }
    }

    /// A parameter of the query that is one of a few words.
    pub fn query_word<T, const N: usize>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        words: [&'static str; N],
    ) -> Result<Option<T>, ApiError> {
        let Some(given) = self.query(name)? else {
            return Ok(None);
        };
        match parse(given) {
            Some(value) => Ok(Some(value)),
            None => {
                let mut problem = format!("must be one of {}, not {:?}", words.join(", "), Excerpt(given));
                if let Some(near) = text::closest(given, words) {
                    problem.push_str(&format!(". Did you mean {near:?}?"));
                }
                Err(ApiError::invalid(name, problem))
            }
        }
    }

    /// The bytes of a header. Given twice, it is refused.
    pub fn header(&self, name: &str) -> Result<Option<&[u8]>, ApiError> {
        let mut found = self.headers.get_all(name).iter();
        let value = found.next().map(HeaderValue::as_bytes);
        match found.next() {
            Some(_) => Err(ApiError::invalid(name, "this header is given twice")),
            None => Ok(value),
        }
    }

    /// The answer about the organization that the path names: the one that was made earlier, if it is as
    /// good as a new one, or else what `make` makes. Only for answers that are the same to every caller
    /// who is let through to them.
    pub async fn kept(
        &self,
        which: Shown,
        make: impl AsyncFnOnce(&Self) -> Result<Reply, ApiError>,
    ) -> Result<Reply, ApiError> {
        let tenant = self.caller().tenant;
        let id = OrganizationId::parse(self.path("organizationId"));
        // The version comes first: what is read after it is as new, or newer.
        let version = id.and_then(|id| self.service.organization_version(self.caller(), id));
        let (Some(id), Some(mut version)) = (id, version) else {
            return make(self).await;
        };
        if let Some(body) = self.kept.find((tenant, id, which), version) {
            match self.service.organization_version_now(self.caller(), id).await? {
                Some(now) if now == version => {
                    let reply = Reply::content(JSON, body);
                    return Ok(reply.of(which));
                }
                Some(now) => version = now,
                None => return make(self).await,
            }
        }
        let reply = make(self).await?;
        if let Some((JSON, body)) = &reply.content {
            self.kept.keep((tenant, id, which), version, body);
        }
        Ok(reply.of(which))
    }

    /// The page of organizations or customers that the query asks for: the one that was made earlier, if nothing of the tenant
    /// has changed since, or else what `make` makes. Only for pages that are the same to every caller who is let through
    /// to them, and show nothing but what [`guildhall_service::Service::contents_version`] is of. `make` says too whether its
    /// page may be kept.
    pub async fn kept_page(
        &self,
        kind: ListKind,
        make: impl AsyncFnOnce(&Self) -> Result<(Reply, bool), ApiError>,
    ) -> Result<Reply, ApiError> {
        // The version comes first: what is read after it is as new, or newer.
        let Some(version) = self.service.contents_version(self.caller()) else {
            return Ok(make(self).await?.0);
        };
        let key = PageKey::new(self.caller().tenant, kind, &self.query);
        if let Some(body) = self.kept.find_page(key, version) {
            return Ok(Reply::content(JSON, body));
        }
        let (reply, may_be_kept) = make(self).await?;
        if let (Some((JSON, body)), true) = (&reply.content, may_be_kept) {
            self.kept.keep_page(key, version, body);
        }
        Ok(reply)
    }

    /// A parameter of the query that must be there and say something.
    pub fn query_required(&self, name: &str) -> Result<&str, ApiError> {
        match self.query(name)? {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(ApiError::invalid(name, "is required")),
        }
    }

    /// The body as the operation wants it.
    pub fn body<T: In>(&self) -> Result<T, ApiError> {
        match wire::taken(&self.body) {
            Some(body) => Ok(body),
            None => self.with_body(|node| T::read(node, &At::root())),
        }
    }

    /// The same, and the body as fingerprints have it ([`Node::write_canonical`]).
    pub fn canonical_body<T: In>(&self) -> Result<(T, String), ApiError> {
        match wire::taken_canonical(&self.body) {
            Some(taken) => Ok(taken),
            None => self.with_body(|node| {
                let mut canonical = String::new();
                let body = T::read(node, &At::root())?;
                node.write_canonical(&mut canonical);
                Ok::<_, Rejection>((body, canonical))
            }),
        }
    }

    /// What `read` makes of the body's JSON.
    pub fn with_body<T, E: Into<ApiError>>(
        &self,
        read: impl FnOnce(&Node<'_>) -> Result<T, E>,
    ) -> Result<T, ApiError> {
        let node = json::parse(&self.body).map_err(|fault| {
            ApiError::new(
                StatusCode::BAD_REQUEST,
                format!("The body is not valid JSON: {fault}"),
            )
        })?;
        read(&node).map_err(Into::into)
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}
