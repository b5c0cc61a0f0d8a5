//! What the control plane knows and hot requests need: immutable, swapped whole.

/// A key pair that may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub access_key: String,
    pub secret_key: String,
}

/// Bounds of requests and connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub connections: u32,
    pub head_timeout_ms: u32,
    pub idle_timeout_ms: u32,
    pub control_body_bytes: u32,
    /// Largest single PUT or part, in bytes.
    pub object_bytes: u64,
}

/// One version of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    pub region: String,
    pub identities: Vec<Identity>,
    pub limits: Limits,
    /// S3 error code -> (status, message), for hot operations.
    pub errors: Vec<(String, u16, String)>,
    /// Error body with `{code}`, `{message}`, `{resource}`, `{request_id}` to be filled in (values are XML-escaped).
    pub error_template: String,
}
