//! Indexes that are lost, and drives that hang: a rebuild that lasts as long as a test wants.

use crate::cluster::Cluster;
use crate::node::drive_path;
use crate::places::address;
use openlake_drive::offline;
use std::time::Duration;

/// Writing one root takes no time.
const LIMIT: Duration = Duration::from_secs(60);

impl Cluster {
    /// Lets the next start of a node that does not run rebuild the index of one of its drives.
    pub fn lose_index(&mut self, node: usize, drive: usize) {
        self.event(&format!("drive {drive} of node {node} loses its index"));
        let path = drive_path(self.slots_of(node)[drive]);
        let runtime = self.world.start_node(node as u32, address(node));
        let ordering = runtime.clone();
        let ordered = async move { offline::rebuild_at_start(&ordering, &path).await };
        let ordered = self.world.run(&runtime, ordered, LIMIT);
        if let Err(error) = ordered {
            self.history()
                .problem(self.now(), format!("the harness cannot order a rebuild: {error:?}"));
        }
        self.world.stop_node(node as u32);
    }
    /// Lets a drive hang from now on, or no longer.
    pub fn set_drive_hangs(&mut self, node: usize, drive: usize, hangs: bool) {
        self.event(&format!("drive {drive} of node {node} {}", if hangs { "hangs" } else { "goes on" }));
        let path = drive_path(self.slots_of(node)[drive]);
        match hangs {
            true => self.world.stall_path(node as u32, &path),
            false => self.world.release_path(node as u32, &path),
        }
    }
    /// How long every read of a disk takes from now on, beside what it takes anyway.
    pub fn set_read_delay(&mut self, delay: Duration) {
        self.world
            .change_options(|options| (options.read_stall_chance, options.read_stall) = (1.0, delay));
    }
}
