//! `trapgate stubs`: a service's stub, byte for byte.

use guest::Profile;
use guest::services::{ServiceInfo, ServiceTableId};
use guest::stub::{StubService, StubStyle};
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, SymbolResolver, SymbolResult};
use serde::Serialize;

use super::Paint;

/// One stub.
#[derive(Clone, Debug, Serialize)]
pub struct StubView {
    /// The service.
    pub service: &'static str,
    /// Its number.
    pub number: u32,
    /// How the stub is made.
    pub style: &'static str,
    /// The stub's bytes in hexadecimal, without the padding behind it; zero where an address goes.
    pub bytes: String,
    /// Where addresses go, and whose: each 4 bytes, known only when the image is linked and loaded.
    pub addresses: Vec<(usize, &'static str)>,
    /// Its instructions: offset, bytes, Intel syntax with names for addresses.
    pub instructions: Vec<(u64, String, String)>,
}

/// The stubs of these services, or of every NT service. The error is the first that the profile does not have.
pub fn stub_views(
    profile: &'static Profile, style: &StubStyle, services: &[&'static ServiceInfo],
) -> Result<Vec<StubView>, &'static str> {
    if services.is_empty() {
        return Ok(profile.services(ServiceTableId::Nt).map(|service| view(style, &service)).collect());
    }
    let find = |info: &&'static ServiceInfo| {
        let number = profile.number(info.name).ok_or(info.name)?;
        let service = profile.service(info.table, guest::convention::row_bits(number)).ok_or(info.name)?;
        Ok(view(style, &service))
    };
    services.iter().map(find).collect()
}

fn view(style: &StubStyle, service: &StubService) -> StubView {
    let stub = style.stub(service);
    // What is decoded has something in the holes that is nowhere else, so that it is found again.
    let mut marked = stub.bytes.clone();
    let mut names = Names { stub: service.info.name, marks: Vec::new() };
    for (n, &(at, name)) in stub.addresses.iter().enumerate() {
        let mark = FIRST_MARK + n as u32;
        names.marks.push((mark.into(), name));
        if let Some(hole) = marked.get_mut(at..at + 4) {
            hole.copy_from_slice(&mark.to_le_bytes());
        }
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut formatter = IntelFormatter::with_options(Some(Box::new(names)), None);
    let mut instructions = Vec::new();
    for insn in Decoder::with_ip(style.bits, &marked, 0, DecoderOptions::NONE).iter() {
        let at = insn.ip() as usize;
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        instructions.push((insn.ip(), hex(stub.bytes.get(at..at + insn.len()).unwrap_or(&[])), text));
    }
    StubView {
        service: service.info.name,
        number: service.number,
        style: style.name,
        bytes: hex(&stub.bytes),
        addresses: stub.addresses,
        instructions,
    }
}

/// No stub has a number like these in it.
const FIRST_MARK: u32 = 0xfeed_0000;

/// Names for the addresses in a stub.
struct Names {
    stub: &'static str,
    marks: Vec<(u64, &'static str)>,
}

impl SymbolResolver for Names {
    fn symbol(
        &mut self, instruction: &Instruction, _: u32, _: Option<u32>, address: u64, _: u32,
    ) -> Option<SymbolResult<'_>> {
        // The decoded stub starts at 0, and only jumps and calls say where in it something is.
        if instruction.is_jcc_short_or_near() || instruction.is_call_near() {
            return Some(SymbolResult::with_str(0, self.stub));
        }
        let (mark, name) = self.marks.iter().find(|(mark, _)| *mark == address)?;
        Some(SymbolResult::with_str(*mark, name))
    }
}

/// The stubs as a listing.
pub fn stubs_text(views: &[StubView], paint: Paint) -> String {
    let mut text = String::new();
    for view in views {
        let aside = format!("service {:#x}, {}", view.number, view.style);
        text += &format!("{}  {}\n", paint.name(view.service), paint.dim(&aside));
        for (offset, bytes, insn) in &view.instructions {
            let bytes = hide_addresses(bytes, *offset, &view.addresses);
            text += &format!("  {offset:02x}  {bytes:<18} {insn}\n");
        }
    }
    text
}

/// An instruction's bytes with question marks for those of an address.
fn hide_addresses(hex: &str, offset: u64, addresses: &[(usize, &str)]) -> String {
    let mut shown = hex.to_string();
    for (at, _) in addresses {
        let start = at.checked_sub(offset as usize).map(|at| 2 * at).filter(|at| at + 8 <= shown.len());
        if let Some(start) = start {
            shown.replace_range(start..start + 8, "????????");
        }
    }
    shown
}
