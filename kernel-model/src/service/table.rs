//! The service tables of one machine: what a service number leads to.

use guest::Profile;
use guest::convention::{row_bits, table_bits};
use guest::services::{ServiceInfo, ServiceTableId};

use super::{Service, Support};

/// One row: what is known of the service, and its function where somebody wrote it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The service number, with the table's bits.
    pub number: u32,
    /// Name, arguments and signature.
    pub info: &'static ServiceInfo,
    /// The declared service.
    pub service: Option<&'static Service>,
}

impl Row {
    /// The row's support level.
    pub fn support(&self) -> Support {
        self.service.map_or(Support::None, |s| s.support)
    }

    /// How many arguments a call has; 0 where nobody knows.
    pub fn arg_count(&self) -> usize {
        self.info.arg_count.map_or(0, |n| n as usize)
    }
}

/// Both tables of a profile.
#[derive(Clone, Debug)]
pub struct ServiceTable {
    nt: Vec<Option<Row>>,
    win32k: Vec<Option<Row>>,
}

impl ServiceTable {
    /// Joins a profile's numbers with the services there are.
    pub fn new(profile: &'static Profile, services: impl Iterator<Item = &'static Service>) -> Self {
        let build = |table: ServiceTableId| {
            let row = |row| {
                let info = profile.service(table, row)?;
                Some(Row { number: table.base() + row as u32, info, service: None })
            };
            (0..profile.table_size(table)).map(row).collect()
        };
        let mut tables = Self { nt: build(ServiceTableId::Nt), win32k: build(ServiceTableId::Win32k) };
        for service in services {
            // A service that the build does not have has no number, and so no row.
            if let Some(row) = profile.number(service.name).and_then(|number| tables.row_mut(number)) {
                row.service = Some(service);
            }
        }
        tables
    }

    fn row_mut(&mut self, number: u32) -> Option<&mut Row> {
        let rows = if table_bits(number) == 0 { &mut self.nt } else { &mut self.win32k };
        rows.get_mut(row_bits(number))?.as_mut()
    }

    /// The table a service number names; `None` for bits no table has.
    pub fn table_of(number: u32) -> Option<ServiceTableId> {
        match table_bits(number) {
            0 => Some(ServiceTableId::Nt),
            1 => Some(ServiceTableId::Win32k),
            _ => None,
        }
    }

    /// The row of a service number.
    #[inline]
    pub fn row(&self, number: u32) -> Option<&Row> {
        let rows = match table_bits(number) {
            0 => &self.nt,
            1 => &self.win32k,
            _ => return None,
        };
        rows.get(row_bits(number))?.as_ref()
    }

    /// Every row of both tables, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.nt.iter().chain(&self.win32k).flatten()
    }
}
