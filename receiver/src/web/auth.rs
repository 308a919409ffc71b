//! Who is asking: a node shows its bearer token with every request.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use recording::protocol::{NODE_STATE_HEADER, NodeStanding, Refusal};

use crate::ledger::{Caller, Ledger, LedgerError};

/// Why nobody is known to be asking.
#[derive(Debug)]
pub(crate) enum AuthError {
    /// No token, or one that no node has.
    Unknown(&'static str),
    /// Two tokens: whose the request is cannot be said.
    Two,
    /// The node is known, and nothing (new) is taken of it.
    NotNow(Caller),
    /// The ledger could not be asked.
    Ledger(LedgerError),
}

/// The node whose token a request shows, unless it is disabled.
///
/// # Errors
/// As [`caller`]; or the node is disabled.
pub(crate) async fn node(ledger: &Ledger, headers: &HeaderMap) -> Result<String, AuthError> {
    let caller = caller(ledger, headers).await?;
    match caller.state {
        NodeStanding::Enabled | NodeStanding::Cordoned => Ok(caller.node),
        NodeStanding::Disabled => Err(AuthError::NotNow(caller)),
    }
}

/// The node whose token a request shows that begins something new.
///
/// # Errors
/// As [`caller`]; or the node is cordoned or disabled.
pub(crate) async fn enabled_node(
    ledger: &Ledger,
    headers: &HeaderMap,
) -> Result<String, AuthError> {
    let caller = caller(ledger, headers).await?;
    match caller.state {
        NodeStanding::Enabled => Ok(caller.node),
        NodeStanding::Cordoned | NodeStanding::Disabled => Err(AuthError::NotNow(caller)),
    }
}

/// The tenant whose secret a request shows.
///
/// # Errors
/// There is no secret, no tenant has it, or the ledger fails.
pub(crate) async fn tenant(ledger: &Ledger, headers: &HeaderMap) -> Result<String, AuthError> {
    match ledger.tenant_of_secret(bearer(headers)?).await {
        Ok(Some(tenant)) => Ok(tenant),
        Ok(None) => Err(AuthError::Unknown("no tenant has this secret")),
        Err(error) => Err(AuthError::Ledger(error)),
    }
}

/// Whose token a request shows, whatever state that node is in.
///
/// # Errors
/// There is no token, no node has it, or the ledger fails.
pub(crate) async fn caller(ledger: &Ledger, headers: &HeaderMap) -> Result<Caller, AuthError> {
    match ledger.node_of_token(bearer(headers)?).await {
        Ok(Some(caller)) => Ok(caller),
        Ok(None) => Err(AuthError::Unknown(
            "no node has this token; add the node with: bbb2pod-receiver node add",
        )),
        Err(error) => Err(AuthError::Ledger(error)),
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (given, more) = (all.next(), all.next());
    if more.is_some() {
        return Err(AuthError::Two);
    }
    let given = given.ok_or(AuthError::Unknown("the Authorization header is missing"))?;
    let text = given
        .to_str()
        .map_err(|_| AuthError::Unknown("the Authorization header is not plain text"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(AuthError::Unknown("Authorization must be: Bearer <token>")),
    }
}

impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        match self {
            AuthError::Unknown(why) => {
                let refusal = Json(Refusal {
                    error: why.to_owned(),
                });
                let mut response = (StatusCode::UNAUTHORIZED, refusal).into_response();
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            AuthError::Two => {
                let error = "the Authorization header is given twice".to_owned();
                (StatusCode::BAD_REQUEST, Json(Refusal { error })).into_response()
            }
            AuthError::NotNow(caller) => {
                let (node, state) = (&caller.node, caller.state.as_str());
                let takes = match caller.state {
                    NodeStanding::Cordoned => "nothing new is taken from it",
                    NodeStanding::Enabled | NodeStanding::Disabled => "nothing is taken from it",
                };
                let error = format!(
                    "{node} is {state} at the receiver: {takes} until: bbb2pod-receiver node enable {node}"
                );
                let refused = (StatusCode::FORBIDDEN, Json(Refusal { error }));
                let mut response = refused.into_response();
                response
                    .headers_mut()
                    .insert(NODE_STATE_HEADER, HeaderValue::from_static(state));
                response
            }
            AuthError::Ledger(error) => {
                tracing::error!(%error, "a token could not be looked up");
                let refusal = Json(Refusal {
                    error: "the receiver failed; its log says why".to_owned(),
                });
                (StatusCode::INTERNAL_SERVER_ERROR, refusal).into_response()
            }
        }
    }
}
