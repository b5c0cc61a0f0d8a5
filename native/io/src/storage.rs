//! What the kernel says about the disk under a path: how it makes writes durable, how large its sectors are, which filesystem
//! stands on it, how worn it is. Facts for people and metrics; nothing is read or written on the disk itself.

use crate::DurabilityClass;

/// Facts about the storage under a directory or block device. `None`: the kernel does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageFacts {
    /// The disk's name, such as `nvme0n1`.
    pub disk: Option<String>,
    /// The filesystem's name; `None` on a raw device.
    pub filesystem: Option<&'static str>,
    /// Writes of existing data go to new places: no write is ever in place there.
    pub copy_on_write: bool,
    /// The disk has a volatile cache.
    pub volatile_cache: Option<bool>,
    /// The disk can make a single write durable (force unit access).
    pub force_unit_access: Option<bool>,
    pub logical_block_bytes: Option<u32>,
    /// Share of the rated endurance that is used, percent; above 100 when outlived.
    pub wear_percent: Option<u8>,
}

impl StorageFacts {
    /// How a durable write becomes durable here. Nothing is assumed: what the kernel does not tell counts as the weakest class.
    pub fn durability_class(&self) -> DurabilityClass {
        match (self.copy_on_write, self.volatile_cache, self.force_unit_access) {
            (false, Some(false), _) => DurabilityClass::Through,
            (false, Some(true), Some(true)) => DurabilityClass::ForceUnitAccess,
            _ => DurabilityClass::Flush,
        }
    }
}
