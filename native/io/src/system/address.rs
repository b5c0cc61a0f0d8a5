//! Socket addresses in the kernel's form.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Room for an address of any family, and its length.
pub(crate) struct RawAddress {
    pub(crate) storage: libc::sockaddr_storage,
    pub(crate) length: libc::socklen_t,
}

impl RawAddress {
    /// Room to be filled by a call.
    pub(crate) fn room() -> RawAddress {
        // SAFETY: sockaddr_storage is plain old data, for which all zeros is a valid value.
        let storage = unsafe { std::mem::zeroed() };
        RawAddress {
            storage,
            length: size_of::<libc::sockaddr_storage>() as libc::socklen_t,
        }
    }

    pub(crate) fn from_address(address: &SocketAddr) -> RawAddress {
        let mut raw = RawAddress::room();
        match address {
            SocketAddr::V4(address) => {
                // SAFETY: sockaddr_storage is large and aligned enough for every sockaddr type; `raw` is borrowed exclusively.
                let target = unsafe { &mut *(&raw mut raw.storage).cast::<libc::sockaddr_in>() };
                target.sin_family = libc::AF_INET as libc::sa_family_t;
                target.sin_port = address.port().to_be();
                target.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
                raw.length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
            SocketAddr::V6(address) => {
                // SAFETY: as above.
                let target = unsafe { &mut *(&raw mut raw.storage).cast::<libc::sockaddr_in6>() };
                target.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                target.sin6_port = address.port().to_be();
                target.sin6_flowinfo = address.flowinfo();
                target.sin6_addr.s6_addr = address.ip().octets();
                target.sin6_scope_id = address.scope_id();
                raw.length = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            }
        }
        raw
    }

    pub(crate) fn to_address(&self) -> io::Result<SocketAddr> {
        match i32::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the family says that the storage holds a sockaddr_in, for which it is large and aligned enough.
                let source = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(source.sin_addr.s_addr.to_ne_bytes());
                Ok(SocketAddrV4::new(ip, u16::from_be(source.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as above, for a sockaddr_in6.
                let source = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in6>() };
                let ip = Ipv6Addr::from(source.sin6_addr.s6_addr);
                Ok(SocketAddrV6::new(ip, u16::from_be(source.sin6_port), source.sin6_flowinfo, source.sin6_scope_id).into())
            }
            family => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a socket address of unknown family {family}"),
            )),
        }
    }

    pub(crate) fn as_pointer(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub(crate) fn as_mut_pointer(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.storage).cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_round_trip() {
        for text in ["127.0.0.1:80", "255.1.2.3:65535", "[::1]:9000", "[fe80::1%3]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(RawAddress::from_address(&address).to_address().unwrap(), address);
        }
        assert!(RawAddress::room().to_address().is_err());
    }
}
