//! From a sound head to the operation it asks for.

use crate::core::{Core, Settings};
use crate::counters::Kind;
use crate::delete::delete_object;
use crate::errors::Failure;
use crate::forward::forward;
use crate::get::{get_object, head_object};
use crate::head::Head;
use crate::input::Input;
use crate::objects::Objects;
use crate::part::upload_part;
use crate::put::put_object;
use crate::reply::Reply;
use crate::request::Request;
use crate::route::{Operation, route};

/// Authenticates, routes and runs a request.
pub(crate) async fn operate<O: Objects>(
    core: &Core<O>,
    settings: &Settings,
    head: &Head<'_>,
    id: &str,
    input: &mut Input,
) -> (Kind, Result<Reply<O::Reader>, Failure>) {
    let now_seconds = core.runtime.wall_ms() / 1000;
    let request = match Request::authenticate(head, id, settings, now_seconds) {
        Ok(request) => request,
        Err(failure) => return (Kind::Refused, Err(failure)),
    };
    let operation = match route(request.method, &request.address, &request.query, &request.fields) {
        Ok(operation) => operation,
        Err(failure) => return (Kind::Refused, Err(failure)),
    };
    match operation {
        Operation::GetObject { part } => (Kind::GetObject, get_object(core, &request, part).await),
        Operation::HeadObject { part } => (Kind::HeadObject, head_object(core, &request, part).await),
        Operation::PutObject => (Kind::PutObject, put_object(core, settings, &request, input).await),
        Operation::DeleteObject => (Kind::DeleteObject, delete_object(core, &request).await),
        Operation::UploadPart { upload, number } => (Kind::UploadPart, upload_part(core, settings, &request, input, upload, number).await),
        Operation::Control => (Kind::Control, forward(core, settings, &request, input).await),
    }
}
