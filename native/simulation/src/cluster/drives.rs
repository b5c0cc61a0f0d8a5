//! What happens to the drives of a simulated cluster: they are lost, replaced, put back, fail and rot.

use super::Cluster;
use crate::node::drive_path;
use crate::random::Random;
use openlake_drive::{Drive, DriveState};
use openlake_peer::SlotId;
use std::path::PathBuf;

/// Where the drive lies that was taken out of a slot.
fn spare_path(slot: SlotId) -> PathBuf {
    PathBuf::from(format!("/spare-{}-slot-{}", slot.set, slot.slot))
}

impl Cluster {
    /// Puts blank drives in the place of a node's; its process ends with them.
    pub fn wipe(&mut self, node: usize) {
        self.event(&format!("the drives of node {node} are replaced by blank ones"));
        self.history.count("drives replaced");
        self.forget(node);
        self.world.stop_node(node as u32);
        for slot in self.slots_of(node) {
            if let Err(error) = self.world.wipe_path(node as u32, &drive_path(slot)) {
                self.history
                    .problem(self.now(), format!("the harness cannot wipe a drive of node {node}: {error}"));
            }
        }
    }
    /// Whether a node serves and lacks nothing that it does not know of: its drives are adopted and filled.
    pub fn is_filled(&self, node: usize) -> bool {
        let filled = |drive: &Drive| {
            let progress = drive.heal_progress();
            !progress.blank && progress.dirty.is_none() && drive.status().rebuild.is_none()
        };
        let all = self.slots_of(node).len();
        self.serving(node)
            .is_some_and(|serving| serving.drives.len() == all && serving.drives.iter().all(filled))
    }
    /// The drives that a node has open, whether or not it serves.
    pub fn open_drives(&self, node: usize) -> Vec<Drive> {
        self.machines[node].drives.borrow().clone()
    }
    /// What a node says of its healing.
    pub fn healing(&self, node: usize) -> String {
        match self.serving(node) {
            Some(serving) => format!("{:?}", serving.store.heal_status()),
            None => "does not serve".to_owned(),
        }
    }
    /// Exchanges the drives of a node for those that lie beside it, blank ones at first; its process ends.
    pub fn exchange_drives(&mut self, node: usize) {
        self.event(&format!("the drives of node {node} are exchanged for those beside it"));
        self.history.count("drives exchanged");
        self.forget(node);
        self.world.stop_node(node as u32);
        for slot in self.slots_of(node) {
            let spare = spare_path(slot);
            let mounted = self.world.mount(node as u32, &spare);
            let exchanged = mounted.and_then(|()| self.world.exchange_paths(node as u32, &drive_path(slot), &spare));
            if let Err(error) = exchanged {
                self.history
                    .problem(self.now(), format!("the harness cannot exchange a drive of node {node}: {error}"));
            }
        }
    }
    /// Lets everything on a node's drives fail from now on, or no longer; a drive that failed needs a restart.
    pub fn set_drives_failed(&mut self, node: usize, failed: bool) {
        self.event(&format!("the drives of node {node} {}", if failed { "fail" } else { "work again" }));
        self.machines[node].drives_fail.set(failed);
        for slot in self.slots_of(node) {
            match failed {
                true => self.world.fail_path(node as u32, &drive_path(slot)),
                false => self.world.mend_path(node as u32, &drive_path(slot)),
            }
        }
    }
    /// Sets how often a disk operation fails.
    pub fn set_disk_error_chance(&mut self, chance: f64) {
        self.event(&format!("disk operations fail with a chance of {chance}"));
        self.disks_err = chance > 0.0;
        self.world.change_options(|options| options.disk_error_chance = chance);
    }
    /// Flips `count` bytes of a node's drives that are not zero: bits rot where something is.
    pub fn rot(&mut self, node: usize, count: usize, random: &mut Random) {
        // A short log may be damaged beyond use; such a drive refuses to open, and is one of those that may be lost.
        self.disks_err = true;
        for slot in self.slots_of(node) {
            let path = drive_path(slot).join("data.0000");
            let Ok(bytes) = self.world.read_file(node as u32, &path) else {
                continue;
            };
            let used: Vec<usize> = (0..bytes.len()).filter(|&offset| bytes[offset] != 0).collect();
            for _ in 0..count {
                let Some(&offset) = random.pick(&used) else { continue };
                self.event(&format!("byte {offset} of {} on node {node} rots", path.display()));
                let _ = self.world.corrupt(node as u32, &path, offset as u64);
            }
        }
    }
    /// Whether a node serves without all of its drives: one has failed, or could not be opened.
    pub fn lacks_drives(&self, node: usize) -> bool {
        let all = self.slots_of(node).len();
        self.has_failed_drive(node) || self.serving(node).is_some_and(|serving| serving.drives.len() < all)
    }
    fn has_failed_drive(&self, node: usize) -> bool {
        let failed = |drive: &Drive| matches!(drive.status().state, DriveState::Failed(_));
        self.serving(node).is_some_and(|serving| serving.drives.iter().any(failed))
    }
}
