//! What kernel32 forwards to kernelbase, which is written in C (`guest/dll`).

macro_rules! forwards {
    ($($name:ident)*) => {
        /// Exports and where they lead.
        pub(super) const FORWARDS: &[(&str, &str)] =
            &[$((stringify!($name), concat!("KERNELBASE.", stringify!($name)))),*];
    };
}
forwards! {
    CreateSemaphoreA CreateSemaphoreW DeleteCriticalSection EnterCriticalSection FormatMessageA
    FreeEnvironmentStringsA FreeEnvironmentStringsW FreeLibrary GetACP GetConsoleCP GetConsoleOutputCP
    GetEnvironmentStrings GetEnvironmentStringsW GetEnvironmentVariableA GetEnvironmentVariableW GetFileType
    GetModuleFileNameA GetNativeSystemInfo GetOEMCP GetStartupInfoA GetStartupInfoW GetSystemInfo GetVersion
    GetVersionExA GetVersionExW InitializeCriticalSection InitializeCriticalSectionAndSpinCount
    InitializeCriticalSectionEx IsDBCSLeadByte IsDBCSLeadByteEx IsValidCodePage LeaveCriticalSection LoadLibraryA
    LoadLibraryW LocalAlloc LocalFree MultiByteToWideChar OutputDebugStringA OutputDebugStringW RaiseException
    ReleaseSemaphore RtlCaptureContext RtlLookupFunctionEntry RtlUnwindEx RtlVirtualUnwind
    SetCriticalSectionSpinCount SetUnhandledExceptionFilter TryEnterCriticalSection WideCharToMultiByte lstrcatA
    lstrcatW lstrcmpA lstrcmpiA lstrcpyA lstrcpyW lstrcpynA
}

#[cfg(test)]
mod tests {
    use crate::pe::PeImage;

    #[test]
    fn every_export_of_kernelbase_is_forwarded() {
        let image = PeImage::parse(crate::dll::KERNELBASE).expect("an image");
        let mut exports: Vec<String> = image.export_names().into_iter().map(|(name, _)| name).collect();
        exports.sort();
        let mut forwards: Vec<&str> = super::FORWARDS.iter().map(|(name, _)| *name).collect();
        forwards.sort_unstable();
        assert_eq!(exports, forwards);
    }
}
