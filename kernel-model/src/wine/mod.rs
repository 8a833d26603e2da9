//! What the kernel does where the system's DLLs are Wine's own: their service table, and the services that only they have.
//! What Windows documents is answered as everywhere else.

mod private;
mod user;

use std::sync::Arc;

use guest::NtStatus;
use guest::services::{self, ServiceInfo};
use guest::stub::StubService;

use crate::cx::{Cx, Outside};
use crate::kernel::Kernel;
use crate::mm::SectionImage;
use crate::service::{Service, ServiceTable, Unwind};

/// What is special there.
#[derive(Clone, Debug, Default)]
pub struct WineRoot {
    /// Where the root's ntdll is.
    pub ntdll: u64,
    /// Where the root's ntdll has the gate that 32-bit stubs jump to.
    pub system_call: u64,
    /// The number by which unix calls come in.
    pub unix_call: u32,
    /// What user32 has told of itself.
    pub client_functions: [u64; 4],
}

/// What is known of a name that a stub of the root has.
pub fn service_info(name: &str) -> Option<&'static ServiceInfo> {
    services::by_name(name).or_else(|| private::INFOS.iter().find(|info| info.name == name))
}

/// The name of the service that code of DLLs for their other halves comes in by.
pub const UNIX_CALL: &str = private::UNIX_CALL;
pub use private::UNIX_CALL_SLOTS;

impl Kernel {
    /// Has the kernel answer the numbers of a root.
    pub fn use_wine_table(&mut self, numbers: &[StubService]) {
        let services = crate::kernel::services().chain(Self::private_services());
        self.services = Arc::new(ServiceTable::of_root(self.profile, numbers, services));
        self.wine = Some(Box::default());
        self.own_loader = true;
    }

    /// Maps an image (`C:\folder\name`) into the process, before it runs; where, and what it is.
    ///
    /// The statuses of opening it, and of images that are none.
    pub fn map_image_of(
        &mut self, outside: &mut dyn Outside, path: &str,
    ) -> Result<(u64, Arc<SectionImage>), NtStatus> {
        let mut cx = Cx { kernel: self, ram: outside };
        let mapped = cx.file_at(path).and_then(|file| cx.map_image(file));
        mapped.map_err(|failed| match failed {
            Unwind::Status(status) => status,
            _ => NtStatus::UNSUCCESSFUL,
        })
    }

    /// Every service that a root may ask for beside Windows' own.
    pub fn private_services() -> impl Iterator<Item = &'static Service> {
        private::SERVICES.iter().chain(user::SERVICES)
    }
}
