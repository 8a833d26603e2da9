//! What the bytes of a Windows guest mean.
//!
//! Addresses and memory ([`mem`]), NT types and their layouts by build ([`types`], [`layout`]),
//! statuses ([`status`]), service numbers and signatures by build ([`services`], [`profile`]),
//! the calling conventions of the gates ([`convention`]), PE images ([`pe`]), and the guest code
//! that Trapgate brings along: compiled ([`dll`]), and linked with a profile's stubs ([`asm`]). There is no CPU and no
//! kernel here.

pub mod access;
pub mod api_sets;
pub mod asm;
pub mod bugcheck;
pub mod builds;
pub mod context;
pub mod convention;
pub mod dll;
pub mod enums;
pub mod exports;
pub mod layout;
pub mod mem;
pub mod objects;
pub mod pe;
pub mod processes;
pub mod profile;
pub mod registers;
pub mod registry;
pub mod services;
pub mod status;
pub mod stub;
pub mod system;
pub mod types;
pub mod wow64;

pub use access::{AccessMask, GenericMapping};
pub use mem::{Fault, FaultKind, GuestMemory, UserPtr};
pub use profile::{Arch, Profile};
pub use status::NtStatus;
pub use types::Handle;
