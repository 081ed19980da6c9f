//! The order of checks, as one function that reads from top to bottom (docs/api.md, "Order of checks"):
//! unknown path 404 and wrong method 405 · 401 · tenant 404 · 403 · 412 · 413, 415 · and then the
//! operation: 400 for shape and limits · 404 for the thing the path names · 400 for what depends on
//! data. An overload comes before all (503), then a token in the query.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use guildhall_domain::{Excerpt, Rejection, Role};
use guildhall_service::{Authenticated, Service};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;

use crate::api::removals::DRY_RUN;
use crate::call::{Call, Reply};
use crate::error::{ApiError, connector_error_body, error_body};
use crate::governor::{Governor, Kind, UnderWay};
use crate::health::Health;
use crate::kept::{KeptAnswers, Shown};
use crate::repeat::KeptRepeater;
use crate::router::{Found, PUBLIC, Public, Router};
use crate::routes::{Experimental, Needs, Route, Space, routes};
use crate::shell::{Answer, BodyFault, LetIn, Look, PlainGet, Repeatable, RequestBody, canned};
use crate::{docs, openapi};

/// Who may create and update organizations (the vendor's site setting of this name).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrganizationManagement {
    /// Every user.
    #[default]
    Users,
    /// Admins only.
    Admins,
}

/// Which operations ask for `X-ExperimentalApi: opt-in`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExperimentalHeader {
    /// Those that the seed documents ask it of, and those that the newest documents do.
    #[default]
    Seed,
    /// Those that the newest documents ask it of.
    Newest,
    /// None.
    Never,
}

/// Decisions that the vendor leaves to the site, and how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiSettings {
    /// Who may create and update organizations.
    pub organization_management: OrganizationManagement,
    /// Which operations ask for the experimental header.
    pub experimental_header: ExperimentalHeader,
    /// Bytes of packed answers that are kept at most.
    pub answer_cache_bytes: usize,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            organization_management: OrganizationManagement::default(),
            experimental_header: ExperimentalHeader::default(),
            answer_cache_bytes: 64 * 1024 * 1024,
        }
    }
}

/// The whole HTTP surface over the operations.
pub struct Api {
    service: Arc<Service>,
    settings: ApiSettings,
    routes: Vec<Route>,
    router: Router,
    health: Health,
    governor: Arc<Governor>,
    overloaded: [Overloaded; 2],
    kept: Arc<KeptAnswers>,
    openapi: Bytes,
    docs: Bytes,
}

impl Api {
    /// The surface over `service`. The error is a clash in the route table, which the tests rule out.
    pub fn new(service: Arc<Service>, settings: ApiSettings) -> Result<Self, matchit::InsertError> {
        let routes = routes();
        Ok(Self {
            governor: Arc::new(Governor::new(service.clock())),
            overloaded: Overloaded::both(),
            router: Router::new(&routes)?,
            openapi: openapi::text(&routes).into(),
            docs: docs::page(&routes).into(),
            health: Health::default(),
            kept: Arc::new(KeptAnswers::holding(settings.answer_cache_bytes)),
            service,
            settings,
            routes,
        })
    }

    /// From now on `/readyz` says that the server is stopping.
    pub fn stopping(&self) {
        self.health.stopping();
    }

    /// What decides which requests are refused because there are too many. Somebody must poll its
    /// [`Governor::watch`], or else none ever is.
    pub fn governor(&self) -> &Arc<Governor> {
        &self.governor
    }

    /// Whether this request is one that too many are of. What costs no more than a refusal never is.
    ///
    /// `credentials` are those of the tenant whose share of the server the request takes.
    fn is_too_much(&self, kind: Kind, path: &str, credentials: impl FnOnce() -> Option<String>) -> bool {
        let who = || self.service.probable_tenant(&credentials()?);
        !self.governor.lets_in(kind, who) && !is_public(path)
    }

    /// What is said to whom the server has no time for.
    fn overloaded(&self, path: &str) -> &Overloaded {
        &self.overloaded[usize::from(Space::of_path(path) == Space::Connector)]
    }

    /// There are too many requests, and this is one of those that are not even looked at. It has no id, and no line
    /// of its own in the log: that would cost as much as many an answer.
    async fn turn_away(&self, request: Request<RequestBody>) -> Response<Full<Bytes>> {
        self.governor.turned_away(Kind::of(request.method()));
        let body = &self.overloaded(request.uri().path()).body;
        let mut response = Response::new(Full::new(body.clone()));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        // Who asks whether to send its body need not send it.
        if !request.headers().contains_key(header::EXPECT) {
            request.into_body().skip().await;
        }
        response
    }

    /// Says how the like of an answer is given that is kept, where it may be.
    fn leave_word(&self, response: &mut Response<Full<Bytes>>, shown: Option<Shown>, log: &Log) {
        if let (Some(shown), Some(operation), Some(who)) = (shown, log.operation, &log.who)
            && KeptRepeater::may_be(operation)
        {
            let repeater = KeptRepeater {
                service: Arc::clone(&self.service),
                kept: Arc::clone(&self.kept),
                governor: Arc::clone(&self.governor),
                who: Arc::clone(who),
                shown,
                operation,
                head: KeptRepeater::head(response),
                date: KeptRepeater::date(self.service.now().0),
            };
            let extensions = response.extensions_mut();
            extensions.insert(Repeatable(Arc::new(repeater)));
        }
    }

    /// The order of checks.
    async fn run(
        &self,
        head: Parts,
        body: RequestBody,
        log: &mut Log,
        under_way: &mut UnderWay<'_>,
    ) -> Result<Reply, ApiError> {
        let query = read_query(head.uri.query().unwrap_or_default())?;
        let (route, params) = match self.router.find(&head.method, head.uri.path()) {
            // In memory of its own, which no other request carries.
            Found::Public(public) => return Box::pin(self.public(public)).await,
            Found::Operation(index, params) => (&self.routes[index], params),
            Found::WrongMethod { allow } => return Err(wrong_method(&head.method, &allow)),
            Found::Unknown => {
                let message = "There is nothing at this path; /docs on this server lists all there is";
                return Err(ApiError::new(StatusCode::NOT_FOUND, message));
            }
        };
        log.operation = Some(route.path);
        let who = self.authenticate(&head.headers).await?;
        log.who = Some(Arc::clone(&who));
        check_tenant(&who, &params)?;
        self.check_permission(route, &who)?;
        self.check_experimental(route, &head.headers)?;
        let body = match route.body {
            Some(_) => read_body(&head.headers, body, route.space.body_bytes_max()).await?,
            None => Bytes::new(),
        };
        under_way.has_come();
        let deletes = route.space == Space::Vendor && route.method == Method::DELETE;
        if deletes && query.iter().any(|(name, _)| name == DRY_RUN) {
            let problem =
                "is taken by the deletes under /guildhall/v1 only; this operation would be carried out";
            return Err(ApiError::invalid(DRY_RUN, problem));
        }
        match route.handler {
            Some(handler) => {
                handler(Call {
                    service: Arc::clone(&self.service),
                    kept: Arc::clone(&self.kept),
                    who,
                    params,
                    query,
                    headers: head.headers,
                    body,
                })
                .await
            }
            None => Err(ApiError::new(
                StatusCode::NOT_FOUND,
                format!(
                    "{} ({} {}) is not offered by this server",
                    route.summary, route.method, route.path
                ),
            )),
        }
    }

    async fn public(&self, public: Public) -> Result<Reply, ApiError> {
        match public {
            Public::Health => Ok(Reply::content(
                "application/json",
                Bytes::from_static(b"{\"status\":\"ok\"}"),
            )),
            Public::Ready => self.health.ready(&self.service).await,
            Public::OpenApi => Ok(Reply::content("application/json", self.openapi.clone())),
            Public::Docs => Ok(Reply::content("text/html; charset=utf-8", self.docs.clone())),
            Public::DocsStyle => Ok(Reply::content(
                "text/css; charset=utf-8",
                Bytes::from_static(docs::STYLE),
            )),
        }
    }

    async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Authenticated>, ApiError> {
        let Some(token) = read_credentials(headers)? else {
            let message = "No credentials: send Authorization: Bearer TOKEN";
            return Err(unauthorized(message, "Bearer"));
        };
        match self.service.authenticate(&token).await? {
            Some(who) => Ok(who),
            None => Err(invalid_token("The token is unknown, expired or revoked")),
        }
    }

    fn check_permission(&self, route: &Route, who: &Authenticated) -> Result<(), ApiError> {
        let least = match (route.needs, self.settings.organization_management) {
            (Needs::Role(role), _) => role,
            (Needs::OrganizationManager, OrganizationManagement::Users) => Role::User,
            (Needs::OrganizationManager, OrganizationManagement::Admins) => Role::Admin,
        };
        if who.caller.role < least {
            let message = format!(
                "This needs the role {}; the token has the role {}",
                least, who.caller.role
            );
            return Err(ApiError::new(StatusCode::FORBIDDEN, message));
        }
        let missing: Vec<&str> = route
            .scopes
            .iter()
            .filter(|scope| !who.caller.scopes.contains(**scope))
            .map(|scope| scope.name())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let needed = route
            .scopes
            .iter()
            .map(|scope| scope.name())
            .collect::<Vec<_>>()
            .join(" ");
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\"");
        let message = format!("The token lacks the scope {}", missing.join(" and "));
        Err(ApiError::new(StatusCode::FORBIDDEN, message).with(header::WWW_AUTHENTICATE, &challenge))
    }

    fn check_experimental(&self, route: &Route, headers: &HeaderMap) -> Result<(), ApiError> {
        const NAME: &str = "X-ExperimentalApi";
        let asked = match (route.experimental, self.settings.experimental_header) {
            (Experimental::Seed, ExperimentalHeader::Seed) => true,
            (Experimental::Newest, setting) => setting != ExperimentalHeader::Never,
            _ => false,
        };
        let given = headers.get(NAME);
        if !asked || given.is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"opt-in"))
        {
            return Ok(());
        }
        let found = match given {
            Some(value) => format!("is {:?}", Excerpt(&String::from_utf8_lossy(value.as_bytes()))),
            None => "is missing".to_owned(),
        };
        let message =
            format!("This operation is experimental: the header {NAME} must be opt-in, and {found}");
        Err(ApiError::new(StatusCode::PRECONDITION_FAILED, message))
    }
}

/// What is said to whom the server has no time for, ready to be sent.
struct Overloaded {
    body: Bytes,
    /// The whole answer as it goes over the wire.
    whole: Bytes,
}

impl Overloaded {
    /// In the words of customer service, and in those of connectors.
    fn both() -> [Self; 2] {
        let error = ApiError::overloaded();
        let bodies = [
            error_body(error.status, &error.message),
            connector_error_body(&error),
        ];
        bodies.map(|body| Self {
            whole: canned::whole(error.status, &body, "retry-after: 1\r\n").into(),
            body: body.into(),
        })
    }
}

/// What the log says of a request: no secret, no personal value, the path by its pattern.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) operation: Option<&'static str>,
    pub(crate) who: Option<Arc<Authenticated>>,
}

/// A request that takes longer is worth a line in the log.
const SLOW: Duration = Duration::from_secs(1);

impl Answer for Api {
    fn is_looking(&self) -> bool {
        self.governor.is_refusing()
    }

    fn look(&self, request: &PlainGet<'_>) -> Look {
        let credentials = || credentials_of(request.authorization?).ok();
        match self.is_too_much(Kind::Read, request.path, credentials) {
            true => {
                self.governor.turned_away(Kind::Read);
                Look::TurnedAway(self.overloaded(request.path).whole.clone())
            }
            false => Look::LetIn,
        }
    }

    fn connections(&self, count: usize) {
        self.governor.connections(count);
    }

    async fn answer(&self, request: Request<RequestBody>) -> Response<Full<Bytes>> {
        let kind = Kind::of(request.method());
        let credentials = || read_credentials(request.headers()).ok()?;
        let is_let_in = request.extensions().get::<LetIn>().is_some();
        if !is_let_in && self.is_too_much(kind, request.uri().path(), credentials) {
            return self.turn_away(request).await;
        }
        let mut under_way = self.governor.begin(kind);
        let began = self.service.monotonic();
        let id = self.service.new_uuid();
        let (head, body) = request.into_parts();
        let method = head.method.clone();
        let mut log = Log::default();
        let space = Space::of_path(head.uri.path());
        let result = self.run(head, body, &mut log, &mut under_way).await;
        let cause = result.as_ref().err().and_then(|error| error.cause.clone());
        let shown = result.as_ref().ok().and_then(|reply| reply.shown);
        let mut response = respond(result, space);
        self.leave_word(&mut response, shown, &log);
        let took = self.service.monotonic() - began;
        under_way.took(took);
        write_log(&method, &log, response.status(), &id, cause.as_deref(), took);
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-request-id", id);
        }
        drop(under_way);
        response
    }
}

/// Pages that cost no more than a refusal, among them those that are asked whether the server is well.
fn is_public(path: &str) -> bool {
    PUBLIC.iter().any(|(public, _)| *public == path)
}

pub(crate) fn write_log(
    method: &Method,
    log: &Log,
    status: StatusCode,
    request_id: &str,
    cause: Option<&str>,
    took: Duration,
) {
    let (method, path) = (known_method(method), log.operation.unwrap_or("-"));
    let tenant = log.who.as_ref().map_or("-", |who| who.cloud_id.as_str());
    let token = log.who.as_ref().map_or("-", |who| who.caller.token_id.as_str());
    let (status, took_us) = (
        status.as_u16(),
        u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    );
    let cause = cause.unwrap_or("-");
    if status == 503 || status == 507 {
        // Overload, a full disk, a stopping server: no defect, and the caller was told.
        tracing::warn!(
            method,
            path,
            status,
            request_id,
            tenant,
            token,
            took_us,
            cause,
            "request turned away"
        );
    } else if status >= 500 {
        tracing::error!(
            method,
            path,
            status,
            request_id,
            tenant,
            token,
            took_us,
            cause,
            "request failed"
        );
    } else if status >= 400 {
        tracing::info!(
            method,
            path,
            status,
            request_id,
            tenant,
            token,
            took_us,
            "request refused"
        );
    } else if took > SLOW {
        tracing::warn!(
            method,
            path,
            status,
            request_id,
            tenant,
            token,
            took_us,
            "slow request"
        );
    } else {
        tracing::debug!(
            method, path, status, request_id, tenant, token, took_us, "request"
        );
    }
}

/// The method as the log may hold it: any other word is the client's own and could be anything.
fn known_method(method: &Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "PATCH" | "OPTIONS" | "TRACE" | "CONNECT") => {
            known
        }
        _ => "-",
    }
}

fn respond(result: Result<Reply, ApiError>, space: Space) -> Response<Full<Bytes>> {
    let (status, content, extra) = match result {
        Ok(Reply { content, header, .. }) => {
            let status = if content.is_some() {
                StatusCode::OK
            } else {
                StatusCode::NO_CONTENT
            };
            (status, content, Vec::from_iter(header))
        }
        Err(error) => {
            let body = match space {
                Space::Connector => connector_error_body(&error),
                Space::Vendor | Space::Own => error_body(error.status, &error.message),
            };
            (
                error.status,
                Some(("application/json", Bytes::from(body))),
                error.headers,
            )
        }
    };
    let (content_type, body) = content.unzip();
    let body = body.unwrap_or_default();
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(docs::CONTENT_SECURITY_POLICY),
    );
    headers.extend(extra);
    response
}

/// The decoded query. A token in it is refused before anything else: queries end up in logs.
fn read_query(query: &str) -> Result<Vec<(String, String)>, ApiError> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    if pairs.iter().any(|(name, _)| name == "access_token") {
        let problem = "a token never belongs into the query, where logs keep it; send Authorization: Bearer TOKEN, \
                       and revoke the one that was sent";
        return Err(ApiError::invalid("access_token", problem));
    }
    Ok(pairs)
}

/// The token of `Bearer TOKEN`, or of `Basic base64(anything:TOKEN)`.
fn read_credentials(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(invalid_token("There is more than one Authorization header"));
    }
    let value = value
        .to_str()
        .map_err(|_| invalid_token("The Authorization header is not ASCII"))?;
    credentials_of(value).map(Some)
}

/// The token that this header holds.
fn credentials_of(value: &str) -> Result<String, ApiError> {
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(rest.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD
            .decode(rest.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        return match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
            Some((_, token)) => Ok(token.to_owned()),
            None => Err(invalid_token(
                "Basic credentials must be base64 of anything:TOKEN",
            )),
        };
    }
    Err(invalid_token(
        "The Authorization header must be Bearer TOKEN or Basic base64(anything:TOKEN)",
    ))
}

fn unauthorized(message: &str, challenge: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, message).with(header::WWW_AUTHENTICATE, challenge)
}

fn invalid_token(message: &str) -> ApiError {
    unauthorized(message, "Bearer error=\"invalid_token\"")
}

/// A tenant that does not exist and one that is not the token's are refused in the same words.
fn check_tenant(who: &Authenticated, params: &[(&'static str, String)]) -> Result<(), ApiError> {
    match params.iter().find(|(name, _)| *name == "cloudId") {
        Some((_, cloud_id)) if !cloud_id.eq_ignore_ascii_case(&who.cloud_id) => {
            Err(Rejection::TenantNotFound.into())
        }
        _ => Ok(()),
    }
}

fn wrong_method(method: &Method, allow: &str) -> ApiError {
    let method = Excerpt(method.as_str());
    let message = format!("This path does not answer {method:?}; it answers {allow}");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message).with(header::ALLOW, allow)
}

/// 413 by the declared length, 415, then the bytes.
async fn read_body(headers: &HeaderMap, body: RequestBody, max: usize) -> Result<Bytes, ApiError> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > max as u64) {
        return Err(too_large(max));
    }
    if let Some(content_type) = headers.get(header::CONTENT_TYPE)
        && !content_type.to_str().is_ok_and(is_json)
    {
        let found = String::from_utf8_lossy(content_type.as_bytes()).into_owned();
        let message = format!(
            "The body must be application/json in UTF-8; Content-Type is {:?}",
            Excerpt(&found)
        );
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        let message = "The body must not be compressed: Content-Encoding is not supported";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    body.read(max).await.map_err(|fault| match fault {
        BodyFault::TooLarge { max_bytes } => too_large(max_bytes),
        BodyFault::TimedOut => ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "The body did not come in time; nothing was done",
        ),
        BodyFault::Broken => ApiError::new(StatusCode::BAD_REQUEST, "The body broke off; nothing was done"),
    })
}

fn too_large(max_bytes: usize) -> ApiError {
    let message = format!("The body is larger than {max_bytes} bytes, the most that is taken");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

/// `application/json` or `application/…+json`, in UTF-8 where a charset is given.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"));
    json && parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_content_types() {
        for yes in [
            "application/json",
            "Application/JSON; charset=\"UTF-8\"",
            "application/problem+json",
        ] {
            assert!(is_json(yes), "{yes}");
        }
        for no in [
            "text/json",
            "application/x-www-form-urlencoded",
            "application/json; charset=latin1",
            "",
        ] {
            assert!(!is_json(no), "{no}");
        }
    }

    #[test]
    fn credentials() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            read_credentials(&headers).map_err(|error| error.message)
        };
        assert_eq!(read("Bearer abc"), Ok(Some("abc".into())));
        assert_eq!(read("bearer   abc "), Ok(Some("abc".into())));
        // anything:abc
        assert_eq!(read("Basic YW55dGhpbmc6YWJj"), Ok(Some("abc".into())));
        assert!(read("Basic %%%").is_err());
        assert!(read("Digest abc").is_err());
        assert_eq!(read_credentials(&HeaderMap::new()).ok(), Some(None));
    }

    #[test]
    fn a_token_in_the_query_is_refused() {
        assert!(read_query("a=b&access%5Ftoken=guild_x").is_err());
        assert!(read_query("a=access_token").is_ok());
    }
}
