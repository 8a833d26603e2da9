//! The locale and language that a system and its user have: US English.

use guest::{GuestMemory, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtQueryDefaultLocale => nt_query_default_locale, Support::Full),
    service!(NtSetDefaultLocale => nt_set_default_locale, Support::Partial("no locale but the one that is set")),
    service!(NtQueryDefaultUILanguage => nt_query_default_ui_language, Support::Full),
    service!(NtSetDefaultUILanguage => nt_set_default_ui_language, Support::Partial("no language but the one that is set")),
    service!(NtQueryInstallUILanguage => nt_query_install_ui_language, Support::Full),
];

/// `MAKELCID(MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US), SORT_DEFAULT)`.
const LOCALE: u32 = 0x409;
/// The language of it.
const LANGUAGE: u16 = 0x409;

/// `NtQueryDefaultLocale`: the user's locale, or the system's.
///
/// `STATUS_ACCESS_VIOLATION`.
fn nt_query_default_locale(cx: &mut Cx<'_>, _user: bool, locale: UserPtr<u32>) -> NtResult {
    cx.mem().store(locale, &LOCALE)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtSetDefaultLocale`.
fn nt_set_default_locale(_: &mut Cx<'_>, _user: bool, locale: u32) -> NtResult {
    if locale != LOCALE {
        return Err(Unwind::unsupported("another locale than US English"));
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtQueryDefaultUILanguage`: the language that the user sees.
///
/// `STATUS_ACCESS_VIOLATION`.
fn nt_query_default_ui_language(cx: &mut Cx<'_>, language: UserPtr<u16>) -> NtResult {
    cx.mem().store(language, &LANGUAGE)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtSetDefaultUILanguage`.
fn nt_set_default_ui_language(_: &mut Cx<'_>, language: u32) -> NtResult {
    if language as u16 != LANGUAGE {
        return Err(Unwind::unsupported("another language than US English"));
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtQueryInstallUILanguage`: the language that the system was installed in.
///
/// `STATUS_ACCESS_VIOLATION`.
fn nt_query_install_ui_language(cx: &mut Cx<'_>, language: UserPtr<u16>) -> NtResult {
    cx.mem().store(language, &LANGUAGE)?;
    Ok(NtStatus::SUCCESS)
}
