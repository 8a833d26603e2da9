/* The forms of functions about keys that take ANSI names. */
#include "registry.h"

LSTATUS NTAPI RegOpenKeyW(HKEY, const WCHAR *, HKEY *);
LSTATUS NTAPI RegCreateKeyW(HKEY, const WCHAR *, HKEY *);
LSTATUS NTAPI RegDeleteKeyExW(HKEY, const WCHAR *, ACCESS_MASK, ULONG);
LSTATUS NTAPI RegDeleteTreeW(HKEY, const WCHAR *);
LSTATUS NTAPI RegConnectRegistryW(const WCHAR *, HKEY, HKEY *);

/* Calls the wide form with `wide`, and lets that go. */
#define THROUGH(name, call) \
    ADVP_WIDE(wide, name); \
    LSTATUS error = call; \
    AdvpFree(wide); \
    return error;

/* `RegOpenKeyExA`. */
LSTATUS NTAPI RegOpenKeyExA(HKEY key, const char *name, ULONG options, ACCESS_MASK access, HKEY *result) {
    THROUGH(name, RegOpenKeyExW(key, wide, options, access, result))
}

/* `RegOpenKeyA`. */
LSTATUS NTAPI RegOpenKeyA(HKEY key, const char *name, HKEY *result) { THROUGH(name, RegOpenKeyW(key, wide, result)) }

/* `RegCreateKeyExA`. */
LSTATUS NTAPI RegCreateKeyExA(HKEY key, const char *name, ULONG reserved, const char *class, ULONG options, ACCESS_MASK access,
                              const ADVP_SECURITY_ATTRIBUTES *security, HKEY *result, ULONG *disposition) {
    WCHAR *class_wide;
    ADVP_WIDE(wide, name);
    LSTATUS error = AdvpWide(class, &class_wide);
    if (!error) error = RegCreateKeyExW(key, wide, reserved, class_wide, options, access, security, result, disposition);
    AdvpFree(wide);
    AdvpFree(class_wide);
    return error;
}

/* `RegCreateKeyA`. */
LSTATUS NTAPI RegCreateKeyA(HKEY key, const char *name, HKEY *result) { THROUGH(name, RegCreateKeyW(key, wide, result)) }

/* `RegDeleteKeyA`. */
LSTATUS NTAPI RegDeleteKeyA(HKEY key, const char *name) { THROUGH(name, RegDeleteKeyExW(key, wide, 0, 0)) }

/* `RegDeleteKeyExA`. */
LSTATUS NTAPI RegDeleteKeyExA(HKEY key, const char *name, ACCESS_MASK view, ULONG reserved) {
    THROUGH(name, RegDeleteKeyExW(key, wide, view, reserved))
}

/* `RegDeleteTreeA`. */
LSTATUS NTAPI RegDeleteTreeA(HKEY key, const char *name) { THROUGH(name, RegDeleteTreeW(key, wide)) }

/* `RegConnectRegistryA`. */
LSTATUS NTAPI RegConnectRegistryA(const char *machine, HKEY key, HKEY *result) {
    THROUGH(machine, RegConnectRegistryW(wide, key, result))
}
