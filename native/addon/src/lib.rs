//! The export table between the data plane and JavaScript; no logic.
//!
//! JavaScript starts one engine and holds its private handle. Calls carry a number and return at once; their ends come back in
//! batches: the engine calls `wake` when something has gathered, and JavaScript answers with one `take`. Control requests and
//! notices come up the same way. No panic and no exception crosses the border; what fails here says why in text.

// The export macros leave nothing behind in a test build, where all that only JavaScript calls would count as dead.
#![cfg_attr(test, allow(dead_code))]

mod bench;
mod config;
mod control;
mod convert;
mod data_core;
mod drive_tool;
mod engine;
mod every_core;
mod links;
mod list_page;
mod plan;
mod primitives;
mod queue;
mod status;
mod tables;

use config::{EngineConfig, LayoutConfig, PeerTlsConfig, decode_secrets, hex16, plan_engine, plan_layout, plan_tls};
use convert::{BatchObject, ConditionObject, PartObject};
use engine::Shared;
use napi::bindgen_prelude::{Buffer, Function};
use napi::{Error, Result};
use napi_derive::napi;
use openlake_object::CompletePart;
use primitives::{CompleteTerms, ListQuery, UploadPlace};
use queue::{Completion, Queue};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A request makes and drops some hundred small pieces of memory, with many requests at once: more than the C library keeps at hand for a
/// thread, which then costs an eighth of a request's time. JavaScript keeps its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A running engine. After `release` every call is refused.
#[napi]
pub struct Engine {
    shared: Option<Arc<Shared>>,
}

/// An S3 error code that the data plane sends by itself.
#[napi(object)]
pub struct ErrorCodeObject {
    pub code: String,
    pub status: u32,
}

/// All of them; the control plane's table must have every one.
#[napi]
pub fn error_codes() -> Vec<ErrorCodeObject> {
    openlake_http::error_codes()
        .iter()
        .map(|(code, status)| ErrorCodeObject {
            code: (*code).to_owned(),
            status: (*status).into(),
        })
        .collect()
}

/// Starts all cores. Call `call` ends when every one serves, or fails with the reason.
#[napi]
pub fn start_engine(call: u32, config: EngineConfig, tables: Buffer, wake: Function<'_, (), ()>) -> Result<Engine> {
    let (_version, tables) = tables::decode_tables(&tables).map_err(Error::from_reason)?;
    let plan = plan_engine(config).map_err(Error::from_reason)?;
    let wake = wake
        .build_threadsafe_function::<()>()
        .callee_handled::<false>()
        .weak::<true>()
        .build()?;
    let queue = Queue::new(wake);
    let start = Completion::new(call, &queue);
    Ok(Engine {
        shared: Some(Shared::start(plan, tables, queue, start)),
    })
}

#[napi]
impl Engine {
    /// All that gathered since the last call.
    #[napi]
    pub fn take(&self) -> Result<BatchObject> {
        Ok(convert::batch_object(self.shared()?.queue.take()))
    }
    /// Says that JavaScript is awake.
    #[napi]
    pub fn heartbeat(&self) -> Result<()> {
        self.shared()?.control.heartbeat.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    /// Answers a control request.
    #[napi]
    pub fn reply(&self, id: f64, status: u32, headers: Vec<String>, body: Buffer) -> Result<()> {
        self.shared()?
            .reply(id as u64, convert::control_reply(status, headers, body.into()));
        Ok(())
    }
    /// Puts new tables in force; returns their version.
    #[napi]
    pub fn set_tables(&self, tables: Buffer) -> Result<f64> {
        let (version, tables) = tables::decode_tables(&tables).map_err(Error::from_reason)?;
        self.shared()?.set_tables(tables);
        Ok(version as f64)
    }
    /// Takes new peer secrets, certificates and addresses.
    #[napi]
    pub fn reload(&self, peer_secrets: Vec<String>, peer_tls: Option<PeerTlsConfig>, layout: LayoutConfig) -> Result<()> {
        let secrets = decode_secrets(&peer_secrets).map_err(Error::from_reason)?;
        let layout = Arc::new(plan_layout(&layout).map_err(Error::from_reason)?);
        let tls = plan_tls(peer_tls).map_err(Error::from_reason)?;
        self.shared()?.post_all(|_core| {
            let (secrets, tls, layout) = (secrets.clone(), tls.clone(), layout.clone());
            Box::new(move |_runtime| {
                if let Some(serving) = data_core::serving() {
                    serving.mesh.set_tls(tls);
                    serving.mesh.reload(secrets, layout);
                }
            })
        });
        Ok(())
    }
    /// From now on the S3 port serves.
    #[napi]
    pub fn open(&self) -> Result<()> {
        self.shared()?.post_all(|_core| {
            Box::new(|_runtime| {
                if let Some(serving) = data_core::serving() {
                    serving.server.open();
                }
            })
        });
        Ok(())
    }
    /// Registers the drives and loads the bucket table; ends when that is done.
    #[napi]
    pub fn join(&self, call: u32) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        let (cluster, bootstrap) = (shared.plan.cluster, shared.plan.bootstrap);
        shared.call(completion, move |serving| primitives::join(serving, cluster, bootstrap));
        Ok(())
    }
    /// How far `join` has come, and what it waits for.
    #[napi]
    pub fn join_status(&self) -> Result<String> {
        Ok(self.shared()?.node_state.join_status())
    }
    /// Stops accepting connections; ends when the last one is done.
    #[napi]
    pub fn drain(&self, call: u32) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        every_core::on_every_core(shared, completion, |serving| async move {
            serving.server.drain().await;
            Ok(())
        });
        Ok(())
    }
    /// Closes links and drives and ends all cores.
    #[napi]
    pub fn stop(&self, call: u32) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        shared.stop(completion);
        Ok(())
    }
    /// Lets go of the engine; it should have been stopped before.
    #[napi]
    pub fn release(&mut self) {
        self.shared = None;
    }
    /// State and counters.
    #[napi]
    pub fn status(&self, call: u32) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        status::gather(shared, completion);
        Ok(())
    }
    /// A page of keys.
    #[napi]
    pub fn list_objects(&self, call: u32, bucket: String, prefix: Buffer, delimiter: Buffer, after: Buffer, limit: u32) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        let query = ListQuery {
            bucket,
            prefix: Vec::from(prefix).into(),
            delimiter: delimiter.into(),
            after: Vec::from(after).into(),
            limit: limit as usize,
        };
        shared.call(completion, move |serving| primitives::list_objects(serving, query));
        Ok(())
    }
    /// A page of uploads under way.
    #[napi]
    pub fn list_uploads(&self, call: u32, bucket: String, prefix: Buffer, delimiter: Buffer, after: Buffer, limit: u32) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        let query = ListQuery {
            bucket,
            prefix: Vec::from(prefix).into(),
            delimiter: delimiter.into(),
            after: Vec::from(after).into(),
            limit: limit as usize,
        };
        shared.call(completion, move |serving| primitives::list_uploads(serving, query));
        Ok(())
    }
    /// An object's head.
    #[napi]
    pub fn head_object(&self, call: u32, bucket: String, key: String) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        shared.call(completion, move |serving| primitives::head_object(serving, bucket, key.into()));
        Ok(())
    }
    /// Deletes an object.
    #[napi]
    pub fn delete_object(&self, call: u32, bucket: String, key: String, condition: ConditionObject) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        let condition = convert::condition(&condition);
        shared.call(completion, move |serving| {
            primitives::delete_object(serving, bucket, key.into(), condition)
        });
        Ok(())
    }
    /// Whether a bucket exists.
    #[napi]
    pub fn head_bucket(&self, call: u32, bucket: String) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        shared.call(completion, move |serving| primitives::head_bucket(serving, bucket));
        Ok(())
    }
    /// Creates a bucket.
    #[napi]
    pub fn create_bucket(&self, call: u32, bucket: String) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        shared.call(completion, move |serving| primitives::create_bucket(serving, bucket));
        Ok(())
    }
    /// Deletes a bucket.
    #[napi]
    pub fn delete_bucket(&self, call: u32, bucket: String) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        shared.call(completion, move |serving| primitives::delete_bucket(serving, bucket));
        Ok(())
    }
    /// All buckets.
    #[napi]
    pub fn list_buckets(&self, call: u32) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        shared.call(completion, primitives::list_buckets);
        Ok(())
    }
    /// Begins an upload.
    #[napi]
    pub fn create_upload(&self, call: u32, bucket: String, key: String, metadata: Vec<String>) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        let metadata = convert::metadata(metadata);
        shared.call(completion, move |serving| {
            primitives::create_upload(serving, bucket, key.into(), metadata)
        });
        Ok(())
    }
    /// Parts of an upload.
    #[napi]
    pub fn list_parts(&self, call: u32, bucket: String, key: String, upload: String) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        let place = upload_place(bucket, key, &upload)?;
        shared.call(completion, move |serving| primitives::list_parts(serving, place));
        Ok(())
    }
    /// Makes an upload the object.
    #[napi]
    pub fn complete_upload(
        &self,
        call: u32,
        bucket: String,
        key: String,
        upload: String,
        parts: Vec<PartObject>,
        condition: ConditionObject,
    ) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        let place = upload_place(bucket, key, &upload)?;
        let parts = parts.iter().map(|part| {
            let number = u16::try_from(part.number).map_err(|_| format!("part number {}: expected at most 65535", part.number))?;
            Ok(CompletePart {
                number,
                etag: hex16("etag", &part.etag)?,
            })
        });
        let parts: Vec<CompletePart> = parts.collect::<std::result::Result<_, String>>().map_err(Error::from_reason)?;
        let terms = CompleteTerms {
            condition: convert::condition(&condition),
            checksum: condition
                .checksum
                .and_then(|pair| <[String; 2]>::try_from(pair).ok())
                .map(|[name, value]| (name, value)),
        };
        shared.call(completion, move |serving| primitives::complete_upload(serving, place, parts, terms));
        Ok(())
    }
    /// Gives an upload up.
    #[napi]
    pub fn abort_upload(&self, call: u32, bucket: String, key: String, upload: String) -> Result<()> {
        let (completion, shared) = self.call(call)?;
        let place = upload_place(bucket, key, &upload)?;
        shared.call(completion, move |serving| primitives::abort_upload(serving, place));
        Ok(())
    }

    fn shared(&self) -> Result<&Arc<Shared>> {
        self.shared.as_ref().ok_or_else(|| Error::from_reason("the engine was released"))
    }
    fn call(&self, call: u32) -> Result<(Completion, &Arc<Shared>)> {
        let shared = self.shared()?;
        Ok((Completion::new(call, &shared.queue), shared))
    }
}

fn upload_place(bucket: String, key: String, upload: &str) -> Result<UploadPlace> {
    let upload = hex16("upload", upload).map_err(Error::from_reason)?;
    Ok(UploadPlace {
        bucket,
        key: key.into(),
        upload,
    })
}
