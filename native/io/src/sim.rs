//! temp
use crate::Runtime;
pub(crate) struct SimulatedHandle;
pub struct DurabilityClass; #[derive(Default)] pub struct SimOptions; #[derive(Clone)] pub struct SimWorld;
impl SimWorld { pub fn new(_: u64, _: SimOptions) -> SimWorld { todo!() } pub fn start_node(&self, _: u32, _: std::net::IpAddr) -> Runtime { todo!() }
 pub fn run<T: 'static>(&self, _: &Runtime, _: impl Future<Output = T> + 'static, _: std::time::Duration) -> T { todo!() } }
