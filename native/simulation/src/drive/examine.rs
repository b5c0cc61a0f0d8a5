//! Looking at the image that a life left behind, before the next one begins: `openlake drive verify` finds it sound whatever the end
//! was, its index equal to what a rebuild makes; and a rebuild ordered by hand (`openlake drive rebuild-index`) loses nothing.

use super::device::Device;
use super::plan::DrivePlan;
use crate::history::History;
use openlake_drive::{DriveState, OpenError, offline};
use openlake_io::Runtime;
use std::time::Duration;

/// Longest that either may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Verifies a drive that nobody has open.
pub fn verify(device: &Device, runtime: &Runtime, plan: &DrivePlan, history: &History) {
    history.count("images verified");
    let (runtime_of_task, path) = (runtime.clone(), device.path());
    let done = device.run(runtime, async move { offline::verify(&runtime_of_task, &path).await }, PATIENCE);
    let text = match done {
        _ if !plan.is_sound() => return,
        Some(Ok(found)) if found.error_count == 0 => {
            history.event(device.now(), &format!("verified {} rows, {} records", found.rows, found.records));
            return;
        }
        Some(Ok(found)) => found.errors.join("; "),
        Some(Err(error)) => format!("{error:?}"),
        None => "is not done in time".to_owned(),
    };
    history.problem(device.now(), format!("verifying the image: {text}"));
}

/// Forgets all checkpoints of a drive that nobody has open and makes its index anew.
pub fn rebuild(device: &Device, runtime: &Runtime, plan: &DrivePlan, history: &History) {
    history.count("indexes rebuilt");
    let (runtime_of_task, path, memory) = (runtime.clone(), device.path(), plan.index_bytes);
    let done = device.run(
        runtime,
        async move { offline::rebuild_index_within(&runtime_of_task, &path, memory).await },
        PATIENCE,
    );
    let text = match done {
        _ if !plan.is_sound() => return,
        Some(Ok(made)) if !matches!(made.state, DriveState::Failed(_)) => {
            history.event(
                device.now(),
                &format!("rebuilt {} keys, boot {}, {:?}", made.keys, made.boot, made.state),
            );
            return;
        }
        // A drive whose first life ended before it had a root.
        Some(Err(OpenError::Damaged(text))) if text.contains("none of") => return,
        Some(Ok(made)) => format!("{:?}", made.state),
        Some(Err(error)) => format!("{error:?}"),
        None => "is not done in time".to_owned(),
    };
    history.problem(device.now(), format!("rebuilding the index: {text}"));
}
