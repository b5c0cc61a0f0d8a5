//! Requests that the control plane answers.

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;

/// An authenticated request that is not a hot operation. Its body was read whole (bounded by `Limits::control_body_bytes`) and verified.
#[derive(Clone, Debug)]
pub struct ControlRequest {
    pub request_id: String,
    pub method: String,
    /// Percent-decoded; `None` for the service itself.
    pub bucket: Option<String>,
    /// Percent-decoded object key.
    pub key: Option<String>,
    /// Percent-decoded, in order of appearance.
    pub query: Vec<(String, String)>,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub access_key: String,
}

/// The control plane's reply, to be sent as it is (content-length and request id are added).
#[derive(Clone, Debug)]
pub struct ControlReply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// The way up. The implementation bounds its queue and answers 503 SlowDown by itself when it is full or nobody answers.
pub trait Control {
    fn ask(&self, request: ControlRequest) -> LocalBoxFuture<'_, ControlReply>;
}
