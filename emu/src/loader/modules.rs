//! Modules: mapping images, binding imports.

use std::sync::Arc;

use guest::mem::PAGE_SIZE;
use guest::pe::{ExportTarget, Import, ImportBy, PeImage};
use guest::profile::Dep;
use guest::{Arch, Profile};
use kernel_model::Cx;
use kernel_model::mm::{Protect, SectionImage, VadKind, section_protect};

use super::gaps::Gaps;
use super::{LoadError, ProcessConfig, Program, Target, base_name, builtin, read_file};

/// A loaded image, or the raw program.
#[derive(Clone, Debug)]
pub struct Module {
    /// The file name, for instance `ntdll.dll`.
    pub name: String,
    /// The architecture of its code.
    pub arch: Arch,
    /// The path the guest sees.
    pub path: String,
    /// Where it is.
    pub base: u64,
    /// Bytes it occupies.
    pub size: u64,
    /// The image; `None` for raw code.
    pub image: Option<PeImage>,
    /// Named places, as RVAs in ascending order.
    pub symbols: Vec<(u32, String)>,
}

impl Module {
    /// An image that is mapped from a file.
    pub(crate) fn of_section(base: u64, image: &SectionImage, path: &str) -> Self {
        let pe = image.pe.clone();
        let names = pe.export_names().into_iter().map(|(name, rva)| (rva, name));
        // Of a service's two names a caller says the one with Nt.
        let mut symbols: Vec<(u32, String)> = names.filter(|(_, name)| !name.starts_with("Zw")).collect();
        symbols.sort();
        let (arch, size) = (pe.arch, pe.bytes.len() as u64);
        Self { name: base_name(path).to_string(), arch, path: path.to_string(), base, size, image: Some(pe), symbols }
    }

    /// The name without its extension, as symbols have it: `ntdll`.
    pub fn stem(&self) -> &str {
        self.name.rsplit_once('.').map_or(self.name.as_str(), |(stem, _)| stem)
    }

    /// The address of the entry point; 0: none.
    pub fn entry(&self) -> u64 {
        self.image.as_ref().map_or(self.base, |i| if i.entry == 0 { 0 } else { self.base + u64::from(i.entry) })
    }

    /// The named place at an address or before it.
    pub fn symbol_before(&self, va: u64) -> Option<(u64, &str)> {
        let rva = va.checked_sub(self.base)?;
        let at = self.symbols.partition_point(|(s, _)| u64::from(*s) <= rva).checked_sub(1)?;
        let (start, name) = self.symbols.get(at)?;
        Some((self.base + u64::from(*start), name))
    }

    /// The address of a named place.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        let (rva, _) = self.symbols.iter().find(|(_, n)| n == name)?;
        Some(self.base + u64::from(*rva))
    }
}

/// The modules of a process: the program first, then ntdll, kernel32 and kernelbase, then whatever else it needs.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    list: Vec<Module>,
    slots: Vec<Vec<Import>>,
    /// Indexes in the order in which initialisers run, the program left out.
    init_order: Vec<usize>,
    /// What is in kernel space: the kernel image first.
    kernel: Vec<Module>,
    /// What is imported and not there.
    gaps: Gaps,
}

/// How deep forwarders may lead from DLL to DLL.
const MAX_FORWARDS: usize = 16;
/// How many modules a process may have.
const MAX_MODULES: usize = 256;
/// Where raw code is put.
const RAW_BASE: u64 = 0x1000_0000;
/// `AllocationProtect` of every image region.
const ANY: Protect = Protect::EXECUTE_WRITECOPY;

/// Places that a seed picks: a 64-bit linear congruential generator (Knuth's constants), high bits used.
struct Slide(Option<u64>);

impl Slide {
    fn next(&mut self, pages_64k: u64) -> u64 {
        let Some(state) = &mut self.0 else { return 0 };
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % pages_64k * 0x1_0000
    }
}

/// Who imports.
struct Importer<'a> {
    file: &'a str,
    arch: Arch,
}

/// What loading needs beside the modules themselves.
struct Loading<'a, 'b> {
    target: &'a mut Target<'b>,
    config: &'a ProcessConfig,
    slide: Slide,
}

impl Loading<'_, '_> {
    /// Whether what one of Windows' DLLs has and ours lacks may be imported.
    fn fills_gaps(&self, dll: &str) -> bool {
        !self.config.no_gaps && guest::exports::has_dll(&canonical(dll))
    }

    /// Whether the machine runs programs of this architecture.
    fn admit(&mut self, arch: Arch) -> Result<(), LoadError> {
        let profile = self.target.profile();
        if profile.stub_style_for(arch).is_none() {
            let same_build = |p: &&Profile| p.column == profile.column && p.stub_style_for(arch).is_some();
            let offer = Profile::all().iter().find(same_build).unwrap_or(Profile::default_profile());
            let file = self.config.name.clone();
            return Err(LoadError::WrongMachine { file, arch, profile: profile.name, offer: offer.name });
        }
        if arch == Arch::X86 {
            self.target.highest = self.target.highest.min(HIGHEST_32);
        }
        Ok(())
    }
}

/// Where 32-bit code's memory ends without `IMAGE_FILE_LARGE_ADDRESS_AWARE`.
const HIGHEST_32: u64 = 0x7ffe_ffff;

impl Modules {
    /// Loads the program and everything it needs.
    pub(super) fn load(target: &mut Target<'_>, config: &ProcessConfig) -> Result<Self, LoadError> {
        let mut modules = Self::default();
        let mut loading = Loading { target, config, slide: Slide(config.aslr_seed) };
        match &config.program {
            Program::Pe(bytes) => {
                let image = parse(&config.name, bytes)?;
                if image.is_dll {
                    return Err(LoadError::IsDll { file: config.name.clone() });
                }
                if image.is_managed() {
                    return Err(LoadError::Managed { file: config.name.clone() });
                }
                loading.admit(image.arch)?;
                modules.map(&mut loading, &config.name, image, Vec::new())?;
            }
            Program::Raw(arch, bytes) => {
                loading.admit(*arch)?;
                modules.map_raw(loading.target, &config.name, *arch, bytes)?;
            }
        }
        let arch = modules.arch();
        for dll in ["ntdll.dll", "kernel32.dll", "kernelbase.dll"] {
            modules.load_dll(&mut loading, &config.name, arch, dll)?;
        }
        if arch != loading.target.profile().arch {
            for dll in ["ntdll.dll", "wow64.dll", "wow64cpu.dll"] {
                modules.load_dll(&mut loading, &config.name, Arch::X64, dll)?;
            }
        }
        // Binding a module loads what it needs, which is then bound in its turn.
        let mut index = 0;
        while index < modules.list.len() {
            modules.bind(&mut loading, index)?;
            index += 1;
        }
        let image = modules.program().and_then(|m| m.image.as_ref());
        let dep = loading.target.profile().dep;
        let has_dep =
            arch == Arch::X64 || dep == Dep::OptOut || dep == Dep::OptIn && image.is_some_and(|i| i.nx_compat);
        loading.target.kernel.mm.space.no_execute = has_dep;
        modules.order();
        modules.commit(loading.target)?;
        modules.gaps.commit(loading.target, &modules)?;
        Ok(modules)
    }

    /// Enters an image that the guest has mapped, in place of what was there.
    pub(crate) fn mapped(&mut self, base: u64, image: &SectionImage) {
        let size = image.pe.bytes.len() as u64;
        let overlaps = |m: &Module| m.base < base + size && base < m.base + m.size;
        if self.list.iter().any(|m| m.base == base && m.size == size) {
            return;
        }
        let path = image.path.replacen("\\Device\\HarddiskVolume1", "C:", 1);
        let module = Module::of_section(base, image, &path);
        match self.list.iter().position(overlaps) {
            // The program stays the first.
            Some(0) => {}
            Some(at) => {
                if let Some(place) = self.list.get_mut(at) {
                    *place = module;
                }
            }
            None => {
                self.list.push(module);
                self.slots.push(Vec::new());
            }
        }
    }

    /// Those that are mapped already, the program first.
    pub(super) fn of(list: Vec<Module>) -> Self {
        Self { slots: vec![Vec::new(); list.len()], list, ..Self::default() }
    }

    /// A module by file name and architecture.
    pub fn find(&self, name: &str, arch: Arch) -> Option<usize> {
        let name = canonical(name);
        self.list.iter().position(|m| m.arch == arch && m.name.eq_ignore_ascii_case(&name))
    }

    /// The same, the module itself.
    pub fn by_name(&self, name: &str, arch: Arch) -> Option<&Module> {
        self.list.get(self.find(name, arch)?)
    }

    /// The program's architecture.
    pub fn arch(&self) -> Arch {
        self.program().map_or(Arch::X64, |m| m.arch)
    }

    /// The module an address lies in.
    pub fn at(&self, va: u64) -> Option<&Module> {
        self.list.iter().chain(&self.kernel).find(|m| va.wrapping_sub(m.base) < m.size)
    }

    /// What the process imports and is not there.
    pub fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    /// Enters a module of kernel space.
    pub(super) fn add_kernel(&mut self, module: Module) {
        self.kernel.push(module);
    }

    /// The modules of kernel space, the kernel image first.
    pub fn kernel(&self) -> impl Iterator<Item = &Module> {
        self.kernel.iter()
    }

    /// All modules in load order.
    pub fn iter(&self) -> impl Iterator<Item = &Module> {
        self.list.iter()
    }

    /// A module by its place in load order.
    pub fn get(&self, index: usize) -> Option<&Module> {
        self.list.get(index)
    }

    /// The program.
    pub fn program(&self) -> Option<&Module> {
        self.list.first()
    }

    /// The modules in the order in which they are initialised.
    pub fn init_order(&self) -> &[usize] {
        &self.init_order
    }

    /// An address as `module!symbol+offset`, `module+offset` or a number.
    pub fn describe(&self, va: u64) -> String {
        let Some(module) = self.at(va) else { return format!("{va:#x}") };
        let stem = module.stem();
        match module.symbol_before(va) {
            Some((start, name)) if start == va => format!("{stem}!{name}"),
            Some((start, name)) => format!("{stem}!{name}+{:#x}", va - start),
            None => format!("{}+{:#x}", module.name, va - module.base),
        }
    }

    /// The index of a DLL, loaded now unless it is already.
    fn load_dll(
        &mut self, loading: &mut Loading<'_, '_>, importer: &str, arch: Arch, dll: &str,
    ) -> Result<usize, LoadError> {
        if let Some(index) = self.find(dll, arch) {
            return Ok(index);
        }
        let name = canonical(dll);
        // What the system does not insist on is the program's, if it has one.
        if !guest::dll::is_known(&name)
            && let Some(index) = self.load_own(loading, importer, arch, dll, &name)?
        {
            return Ok(index);
        }
        if let Some(built) = builtin::dll(loading.target.profile(), arch, &name)? {
            return self.map(loading, &name, built.image.clone(), built.symbols.clone());
        }
        Err(LoadError::MissingDll { file: importer.to_string(), dll: dll.to_string() })
    }

    /// The same for a DLL in the folder that the program is in, where there is one.
    fn load_own(
        &mut self, loading: &mut Loading<'_, '_>, importer: &str, arch: Arch, dll: &str, name: &str,
    ) -> Result<Option<usize>, LoadError> {
        if let Some(index) = self.load_beside(loading, importer, arch, name)? {
            return Ok(Some(index));
        }
        // A name with a separator would leave the program's folder.
        let plain = base_name(dll) == dll && dll != ".." && !dll.contains('\0');
        let folder = loading.config.dll_folder.as_ref().filter(|_| plain);
        let Some(entries) = folder.and_then(|folder| std::fs::read_dir(folder).ok()) else { return Ok(None) };
        let is_it = |file: &std::fs::DirEntry| file.file_name().to_str().is_some_and(|f| f.eq_ignore_ascii_case(name));
        let Some(path) = entries.flatten().find(is_it).map(|entry| entry.path()) else { return Ok(None) };
        let bytes = read_file(&path)?;
        let file = path.display().to_string();
        let image = parse(&file, &bytes)?;
        if image.arch != arch {
            return Err(LoadError::Mixed { file, arch: image.arch, importer: importer.to_string() });
        }
        let index = self.map(loading, name, image, Vec::new())?;
        if let Some(module) = self.list.get_mut(index) {
            module.path = guest_path(&module.name, true, false);
        }
        Ok(Some(index))
    }

    /// The same for a DLL in the guest's folder that a child's image is in.
    fn load_beside(
        &mut self, loading: &mut Loading<'_, '_>, importer: &str, arch: Arch, name: &str,
    ) -> Result<Option<usize>, LoadError> {
        let target = &mut *loading.target;
        let folder = target.child.as_ref().and_then(|child| child.new.path.rsplit_once('\\'));
        let Some((folder, _)) = folder.filter(|_| base_name(name) == name) else { return Ok(None) };
        let path = format!("{folder}\\{name}");
        let mut cx = Cx { kernel: target.kernel, ram: target.ram };
        let Ok(bytes) = cx.read_image(&path) else { return Ok(None) };
        let image = parse(&path, &bytes)?;
        if image.arch != arch {
            return Err(LoadError::Mixed { file: path, arch: image.arch, importer: importer.to_string() });
        }
        let index = self.map(loading, name, image, Vec::new())?;
        if let Some(module) = self.list.get_mut(index) {
            module.path = path;
        }
        Ok(Some(index))
    }

    /// Maps an image; its index.
    fn map(
        &mut self, loading: &mut Loading<'_, '_>, name: &str, mut image: PeImage, mut symbols: Vec<(u32, String)>,
    ) -> Result<usize, LoadError> {
        let Loading { target, slide, .. } = loading;
        let bad = |error| LoadError::BadImage { file: name.to_string(), error };
        if self.list.len() >= MAX_MODULES {
            return Err(bad(guest::pe::PeError::Malformed(format!("it is one of more than {MAX_MODULES} modules"))));
        }
        let imports = image.imports().map_err(bad)?;
        let size = image.bytes.len() as u64;
        let pages = size / PAGE_SIZE;
        let file = base_name(name).to_string();
        // Within the 4 GiB (32-bit: 16 MiB) above the preferred base, in steps of 64 KiB, as Windows does.
        let (arch, places) = (image.arch, if image.arch == Arch::X64 { 0x1_0000 } else { 0x100 });
        let preferred = if image.dynamic_base { image.base.wrapping_add(slide.next(places)) } else { image.base };
        let preferred = target.child.as_ref().and_then(|child| child.base_of(&file, arch)).unwrap_or(preferred);
        let own = target.child.as_ref().filter(|_| self.list.is_empty()).map(|child| child.new.path.clone());
        let path = own.unwrap_or_else(|| guest_path(&file, self.list.is_empty(), arch != target.profile().arch));
        let kind = || VadKind::Image(path.clone());
        let first = match target.reserve(Some(preferred).filter(|&b| b >= 0x1_0000), pages, kind(), ANY) {
            Ok(first) => first,
            Err(_) => target
                .reserve(None, pages, kind(), ANY)
                .map_err(|status| LoadError::NoMemory { file: name.to_string(), status })?,
        };
        let base = first * PAGE_SIZE;
        image.relocate(base).map_err(bad)?;
        image.tls(base).map_err(bad)?;
        if symbols.is_empty() {
            symbols = image.export_names().into_iter().map(|(n, rva)| (rva, n)).collect();
            symbols.sort();
        }
        self.list.push(Module { name: file, arch, path, base, size, image: Some(image), symbols });
        self.slots.push(imports);
        Ok(self.list.len() - 1)
    }

    fn map_raw(&mut self, target: &mut Target<'_>, name: &str, arch: Arch, code: &[u8]) -> Result<(), LoadError> {
        let error = |status| LoadError::NoMemory { file: name.to_string(), status };
        let size = (code.len() as u64).max(1).div_ceil(PAGE_SIZE) * PAGE_SIZE;
        let base = target.allocate(Some(RAW_BASE), size, Protect::EXECUTE_READWRITE).map_err(error)?;
        target.write(base, code).map_err(error)?;
        let file = base_name(name).to_string();
        let path = guest_path(&file, true, false);
        self.list.push(Module { name: file, arch, path, base, size, image: None, symbols: Vec::new() });
        self.slots.push(Vec::new());
        Ok(())
    }

    /// Fills a module's import slots with addresses.
    fn bind(&mut self, loading: &mut Loading<'_, '_>, index: usize) -> Result<(), LoadError> {
        let imports = self.slots.get(index).cloned().unwrap_or_default();
        let Some((file, arch)) = self.list.get(index).map(|m| (m.name.clone(), m.arch)) else { return Ok(()) };
        let width = arch.width().bytes();
        for import in &imports {
            // In the order of the import table, whatever the forwarders then add.
            match self.load_dll(loading, &file, arch, &import.dll) {
                // Its functions are bound to what says that they are not there.
                Err(LoadError::MissingDll { .. }) if loading.fills_gaps(&import.dll) => {}
                loaded => _ = loaded?,
            }
        }
        for import in &imports {
            for (slot, by) in &import.slots {
                let address = self.resolve(loading, &Importer { file: &file, arch }, &import.dll, by, 0)?;
                if let Some(image) = self.list.get_mut(index).and_then(|m| m.image.as_mut())
                    && let Some(place) = Arc::make_mut(&mut image.bytes).get_mut(*slot as usize..*slot as usize + width)
                {
                    place.copy_from_slice(address.to_le_bytes().get(..width).unwrap_or(&[]));
                }
            }
        }
        Ok(())
    }

    /// The address of an export, through whatever DLLs it is forwarded; those are loaded on the way.
    fn resolve(
        &mut self, loading: &mut Loading<'_, '_>, importer: &Importer<'_>, dll: &str, by: &ImportBy, depth: usize,
    ) -> Result<u64, LoadError> {
        let missing =
            || LoadError::MissingExport { file: importer.file.into(), dll: dll.into(), symbol: by.to_string() };
        let index = match self.load_dll(loading, importer.file, importer.arch, dll) {
            Err(LoadError::MissingDll { .. }) if loading.fills_gaps(dll) => {
                let gap = self.gaps.address(loading.target, importer.arch, &canonical(dll), by);
                return gap.ok_or_else(missing);
            }
            loaded => loaded?,
        };
        let module = self.list.get(index).ok_or_else(missing)?;
        let image = module.image.as_ref().ok_or_else(missing)?;
        let export = image.export(by).map_err(|error| LoadError::BadImage { file: dll.into(), error })?;
        let Some(export) = export else {
            let name = module.name.clone();
            if !builtin::has(importer.arch, &name) || !loading.fills_gaps(&name) {
                return Err(missing());
            }
            // Of the DLL, or of the API set that it hosts.
            let names = [name.as_str(), dll];
            let gap = names.iter().find_map(|name| self.gaps.address(loading.target, importer.arch, name, by));
            return gap.ok_or_else(missing);
        };
        match export {
            ExportTarget::Rva(rva) => Ok(module.base + u64::from(rva)),
            ExportTarget::Forward(text) => {
                let (next, symbol) = text.rsplit_once('.').filter(|_| depth < MAX_FORWARDS).ok_or_else(missing)?;
                let by = match symbol.strip_prefix('#') {
                    Some(n) => ImportBy::Ordinal(n.parse().map_err(|_| missing())?),
                    None => ImportBy::Name(symbol.to_string()),
                };
                self.resolve(loading, importer, &format!("{next}.dll"), &by, depth + 1)
            }
        }
    }

    /// Initialisers run for what a module imports before the module itself; ntdll comes first.
    fn order(&mut self) {
        let mut order = Vec::new();
        let mut seen = vec![false; self.list.len()];
        let first = ["ntdll.dll", "kernelbase.dll", "kernel32.dll"];
        let arch = self.arch();
        let starts = first.iter().filter_map(|dll| self.find(dll, arch)).chain(0..self.list.len());
        for start in starts.collect::<Vec<_>>() {
            // A walk without recursion: a module is done when its imports are.
            let mut stack = vec![(start, 0)];
            while let Some((module, next)) = stack.pop() {
                if next == 0 && seen.get(module).copied().unwrap_or(true) {
                    continue;
                }
                if let Some(s) = seen.get_mut(module) {
                    *s = true;
                }
                match self.slots.get(module).and_then(|imports| imports.get(next)) {
                    Some(import) => {
                        let child = self.find(&import.dll, self.list.get(module).map_or(arch, |m| m.arch));
                        stack.push((module, next + 1));
                        stack.extend(child.filter(|&c| !seen.get(c).copied().unwrap_or(true)).map(|c| (c, 0)));
                    }
                    None => order.push(module),
                }
            }
        }
        order.retain(|&m| m != 0);
        self.init_order = order;
    }

    /// Gives every image its pages: bytes, then rights.
    fn commit(&mut self, target: &mut Target<'_>) -> Result<(), LoadError> {
        for module in &self.list {
            let Some(image) = &module.image else { continue };
            let first = module.base / PAGE_SIZE;
            let headers = u64::from(image.headers) / PAGE_SIZE;
            let whole = [(0, headers, Protect::READONLY)].into_iter();
            let sections = image
                .sections
                .iter()
                .map(|s| (u64::from(s.rva) / PAGE_SIZE, u64::from(s.size) / PAGE_SIZE, section_protect(s)));
            for (at, pages, protect) in whole.chain(sections) {
                target
                    .commit(first + at, pages, protect)
                    .map_err(|status| LoadError::NoMemory { file: module.name.clone(), status })?;
            }
            for (page, bytes) in (0..).zip(image.bytes.chunks(PAGE_SIZE as usize)) {
                // A page of zeros needs no frame yet; a gap between sections has no page at all.
                if bytes.iter().any(|&b| b != 0) {
                    let _ = target.write(module.base + page * PAGE_SIZE, bytes);
                }
            }
        }
        Ok(())
    }
}

pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<PeImage, LoadError> {
    PeImage::parse(bytes).map_err(|error| LoadError::BadImage { file: file.to_string(), error })
}

/// A DLL's name with its extension, an API set's name replaced by its host's.
fn canonical(name: &str) -> String {
    if let Some(host) = guest::api_sets::host(name) {
        return host.into();
    }
    if base_name(name).contains('.') { name.to_string() } else { format!("{name}.dll") }
}

fn guest_path(file: &str, is_program: bool, wow64: bool) -> String {
    let folder = match (is_program, wow64) {
        (true, _) => "C:\\",
        (false, false) => "C:\\Windows\\System32\\",
        (false, true) => "C:\\Windows\\SysWOW64\\",
    };
    format!("{folder}{file}")
}
