//! Starts a server under each engine that this machine has and runs a test against it.

use crate::client::{ACCESS_KEY, Answer, Ask, Client, REGION, SECRET_KEY};
use crate::memory::Memory;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use openlake_http::{Control, ControlReply, ControlRequest, Identity, Limits, Server, ServerOptions, Tables, default_errors};
use openlake_io::{EngineKind, Runtime};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const TEMPLATE: &str =
    "<Error><Code>{code}</Code><Message>{message}</Message><Resource>{resource}</Resource><RequestId>{request_id}</RequestId></Error>";

/// A control plane that remembers what it was asked.
#[derive(Default)]
pub struct Recorder {
    pub asked: RefCell<Vec<ControlRequest>>,
}

impl Control for Recorder {
    fn ask(&self, request: ControlRequest) -> LocalBoxFuture<'_, ControlReply> {
        self.asked.borrow_mut().push(request);
        let headers = vec![
            ("Content-Type".to_owned(), "application/xml".to_owned()),
            ("Content-Length".to_owned(), "999".to_owned()),
        ];
        async move {
            ControlReply {
                status: 200,
                headers,
                body: Bytes::from_static(b"<Answer/>"),
            }
        }
        .boxed_local()
    }
}

/// A running server and what stands behind it.
#[derive(Clone)]
pub struct World {
    pub runtime: Runtime,
    pub server: Server,
    pub memory: Memory,
    pub control: Rc<Recorder>,
}

impl World {
    pub async fn client(&self) -> Client {
        Client::connect(&self.runtime, self.server.local_address()).await
    }
    /// One request on a connection of its own.
    pub async fn ask(&self, ask: Ask) -> Answer {
        self.client().await.ask(ask).await
    }
}

pub fn tables(limits: Limits) -> Arc<Tables> {
    let identities = vec![Identity {
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
    }];
    Arc::new(Tables {
        region: REGION.to_owned(),
        identities,
        limits,
        errors: default_errors(),
        error_template: TEMPLATE.to_owned(),
    })
}

/// Runs `test` under every engine, with the bucket `bucket`.
pub fn with_limits(limits: Limits, test: impl AsyncFn(World)) {
    for kind in [EngineKind::Poll, EngineKind::Uring] {
        let runtime = match Runtime::new(kind) {
            Ok(runtime) => runtime,
            Err(error) => {
                assert_eq!(kind, EngineKind::Uring, "poll works everywhere: {error}");
                println!("skipped under uring, which this machine forbids: {error}");
                continue;
            }
        };
        let memory = Memory::default();
        memory.0.borrow_mut().buckets.insert("bucket".to_owned(), 7);
        let control = Rc::new(Recorder::default());
        let options = ServerOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            tables: tables(limits.clone()),
        };
        let server = Server::start_over(&runtime, memory.clone(), control.clone(), options).expect("binds");
        server.open();
        let world = World {
            runtime: runtime.clone(),
            server,
            memory,
            control,
        };
        let outcome = runtime.run(runtime.timeout(Duration::from_secs(60), test(world)));
        assert!(outcome.is_ok(), "the test hangs under {kind:?}");
    }
}

/// As [`with_limits`], with limits that no test meets.
pub fn with_server(test: impl AsyncFn(World)) {
    with_limits(
        Limits {
            object_bytes: 64 << 20,
            control_body_bytes: 4096,
            ..Limits::default()
        },
        test,
    );
}
