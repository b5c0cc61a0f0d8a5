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

impl Default for Limits {
    /// What a node starts from: connections that fit 64 KiB of buffers each into 256 MiB per core, 10 s for a head (honest ones take one
    /// round trip), a minute of idleness (beyond the keep-alive of common clients), bodies of 2 MiB for control requests (a Complete of
    /// 10,000 parts has about 1.5 MiB), and S3's 5 GiB for a single upload.
    fn default() -> Limits {
        Limits {
            connections: 4096,
            head_timeout_ms: 10_000,
            idle_timeout_ms: 60_000,
            control_body_bytes: 2 << 20,
            object_bytes: 5 << 30,
        }
    }
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
