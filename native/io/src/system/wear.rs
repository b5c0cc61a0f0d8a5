//! How worn an NVMe drive says it is: the SMART log page of the NVMe base specification, read by the kernel's admin command ioctl.

use std::os::fd::AsRawFd;
use std::path::Path;

/// `_IOWR('N', 0x41, struct nvme_admin_cmd)` of linux/nvme_ioctl.h.
const ADMIN_COMMAND: u64 = 0xc048_4e41;
const GET_LOG_PAGE: u8 = 0x02;
const SMART_LOG: u32 = 0x02;
const SMART_LOG_BYTES: usize = 512;
const ALL_NAMESPACES: u32 = u32::MAX;
/// Where the page says how much of the rated endurance is used.
const PERCENTAGE_USED: usize = 5;
const TIMEOUT_MS: u32 = 1_000;

/// `struct nvme_admin_cmd`.
#[repr(C)]
#[derive(Default)]
struct AdminCommand {
    opcode: u8,
    flags: u8,
    reserved: u16,
    namespace: u32,
    words_2_3: [u32; 2],
    metadata: u64,
    address: u64,
    metadata_bytes: u32,
    data_bytes: u32,
    words_10_15: [u32; 6],
    timeout_ms: u32,
    result: u32,
}

/// Percent of the endurance that is used; `None` when this is no NVMe device, or it may not be asked.
pub(crate) fn percent(disk: &Path) -> Option<u8> {
    let file = std::fs::File::open(disk).ok()?;
    let mut page = [0_u8; SMART_LOG_BYTES];
    let mut command = AdminCommand {
        opcode: GET_LOG_PAGE,
        namespace: ALL_NAMESPACES,
        address: page.as_mut_ptr() as u64,
        data_bytes: SMART_LOG_BYTES as u32,
        words_10_15: [((SMART_LOG_BYTES as u32 / 4 - 1) << 16) | SMART_LOG, 0, 0, 0, 0, 0],
        timeout_ms: TIMEOUT_MS,
        ..AdminCommand::default()
    };
    // SAFETY: `command` has the layout that the ioctl expects and points at `page`, of the length it names; both outlive the call.
    let status = unsafe { libc::ioctl(file.as_raw_fd(), ADMIN_COMMAND as _, &raw mut command) };
    (status == 0).then_some(page[PERCENTAGE_USED])
}
