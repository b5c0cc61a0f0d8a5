//! One connection: head, answer, body, again, until either side has had enough.

use crate::core::{Core, Settings, failure_reply};
use crate::counters::{Kind, Sample};
use crate::errors::{Failure, code};
use crate::head::Head;
use crate::input::{HeadEnd, Input};
use crate::objects::Objects;
use crate::operate::operate;
use crate::output::{Output, SendError};
use crate::reply::{Content, Reply};
use bytes::Bytes;
use openlake_io::Socket;
use std::rc::Rc;
use std::time::Duration;

/// Rest of an unwanted body that is read to keep the connection; more than that, and a new connection is cheaper.
const DRAIN_BYTES: u64 = 1024 * 1024;
/// How long a peer may still send while the last reply is on its way to it: the rest of a body, or of a head that made no sense.
const LINGER_BODY: Duration = Duration::from_secs(2);
const LINGER_HEAD: Duration = Duration::from_millis(200);
/// Answered without a signature, by the data plane alone.
pub(crate) const LIVE_PATH: &str = "/-/live";

/// How a turn ended.
enum Turn {
    /// Further requests may come.
    Keep,
    /// The reply was the last; unread bytes may still arrive for so long.
    Close(Option<Duration>),
}

/// Serves a connection to its end. `excess`: one too many, it may only ask whether the process lives.
pub(crate) async fn serve<O: Objects>(core: Rc<Core<O>>, socket: Socket, excess: bool) {
    let watch = core.watches.add();
    let mut input = Input::new(core.runtime.clone(), socket.clone(), watch.clone());
    let output = Output::new(core.runtime.clone(), socket.clone(), watch);
    let mut head = Vec::with_capacity(1024);
    loop {
        let (idle, arrival) = {
            let settings = core.settings();
            let limits = &settings.tables.limits;
            (
                Duration::from_millis(limits.idle_timeout_ms.into()),
                Duration::from_millis(limits.head_timeout_ms.into()),
            )
        };
        let arrived = input.read_head(&mut head, idle, arrival).await;
        let turn = match arrived {
            Ok(()) => take_turn(&core, &mut input, &output, &mut head, excess).await,
            Err(HeadEnd::Quiet) => Turn::Close(None),
            Err(HeadEnd::Slow) => {
                let _ = output
                    .send_bytes(vec![Bytes::from_static(
                        b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                    )])
                    .await;
                Turn::Close(None)
            }
            Err(HeadEnd::Bad(error)) => refuse_head(&core, &output, error.into()).await,
        };
        match turn {
            Turn::Keep => {}
            Turn::Close(linger) => {
                if let Some(time) = linger {
                    input.linger(time).await;
                }
                socket.shutdown();
                return;
            }
        }
    }
}

/// Answers a head that could not be read; where the next one starts is unknown.
async fn refuse_head<O: Objects>(core: &Core<O>, output: &Output, failure: Failure) -> Turn {
    let settings = core.settings();
    let id = core.new_request_id();
    let reply: Reply<O::Reader> = failure_reply(&settings, &failure, "", &id, false);
    core.counters.count(&Sample {
        kind: Kind::Refused,
        status: reply.status,
        request_bytes: 0,
        response_bytes: reply.body_bytes(),
        duration_us: 0,
    });
    let _ = output.send(reply, &common_lines(core, &id, true)).await;
    Turn::Close(Some(LINGER_HEAD))
}

/// One request, whose head lies in `bytes`.
async fn take_turn<O: Objects>(core: &Core<O>, input: &mut Input, output: &Output, bytes: &mut [u8], excess: bool) -> Turn {
    let started = core.runtime.now();
    let settings = core.settings();
    let head = match Head::parse(bytes) {
        Ok(head) => head,
        Err(error) => return refuse_head(core, output, error.into()).await,
    };
    let id = core.new_request_id();
    input.begin_body(head.framing, head.expects_continue);
    let (kind, outcome) = perform(core, &settings, &head, &id, input, excess).await;
    let mut close = excess || !head.keep_alive || core.draining.get();
    let reply = outcome.unwrap_or_else(|failure| {
        close |= failure.close;
        let path = head.target.split('?').next().unwrap_or_default();
        failure_reply(&settings, &failure, path, &id, head.method == "HEAD")
    });
    close |= !input.is_drainable(DRAIN_BYTES);
    let (status, response_bytes) = (reply.status, reply.body_bytes());
    let sent = output.send(reply, &common_lines(core, &id, close)).await;
    let duration_us = core.runtime.now().0.saturating_sub(started.0) / 1000;
    // A body that broke off was a success by its status only.
    let status = if matches!(sent, Err(SendError::Content)) { 500 } else { status };
    core.counters.count(&Sample {
        kind,
        status,
        request_bytes: input.body_bytes,
        response_bytes,
        duration_us,
    });
    if sent.is_err() {
        return Turn::Close(None);
    }
    if close {
        return Turn::Close((!input.is_done()).then_some(LINGER_BODY));
    }
    while let Ok(Some(_)) = input.next().await {}
    if input.is_done() { Turn::Keep } else { Turn::Close(None) }
}

async fn perform<O: Objects>(
    core: &Core<O>,
    settings: &Settings,
    head: &Head<'_>,
    id: &str,
    input: &mut Input,
    excess: bool,
) -> (Kind, Result<Reply<O::Reader>, Failure>) {
    if head.target == LIVE_PATH && matches!(head.method, "GET" | "HEAD") {
        let mut reply = Reply::new(200);
        reply.header("content-type", "text/plain");
        let text = Bytes::from_static(b"ok\n");
        let content = if head.method == "HEAD" {
            Content::Described(text.len() as u64)
        } else {
            Content::Bytes(text)
        };
        return (Kind::Live, Ok(reply.with(content)));
    }
    let retry = |failure: Failure| (Kind::Refused, Err(failure.with_header("retry-after", "1".to_owned())));
    if excess {
        return retry(Failure::new(
            code::SlowDown,
            "This server has as many connections as it may have. Try again or try another one.",
        ));
    }
    if !core.open.get() {
        return retry(Failure::new(
            code::ServiceUnavailable,
            "This server is starting and does not serve yet.",
        ));
    }
    operate(core, settings, head, id, input).await
}

fn common_lines<O: Objects>(core: &Core<O>, id: &str, close: bool) -> Vec<u8> {
    let lines = core.common_lines();
    let mut common = Vec::with_capacity(lines.len() + 80);
    common.extend_from_slice(&lines);
    common.extend_from_slice(b"x-amz-request-id: ");
    common.extend_from_slice(id.as_bytes());
    common.extend_from_slice(b"\r\n");
    if close {
        common.extend_from_slice(b"connection: close\r\n");
    }
    common
}
