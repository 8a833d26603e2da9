/* Keys: predefined ones, opening, creating, deleting. */
#include "registry.h"

#define FIRST_PREDEFINED 0x80000000u
enum { CLASSES_ROOT, CURRENT_USER, LOCAL_MACHINE, USERS, PERFORMANCE_DATA, CURRENT_CONFIG, DYN_DATA, PREDEFINED };

/* Handles of predefined keys: opened when they are first used, and those that RegOverridePredefKey put there. */
static HANDLE AdvpOpened[PREDEFINED], AdvpOverridden[PREDEFINED];

/* The index of a predefined key, or PREDEFINED. A 64-bit one is sign-extended or not. */
static ULONG AdvpPredefined(HKEY key) {
    ULONG_PTR value = (ULONG_PTR)key;
    ULONG index = (ULONG)value - FIRST_PREDEFINED;
#ifdef __x86_64__
    if (value >> 32 && value >> 32 != 0xffffffff) return PREDEFINED;
#endif
    return index < PREDEFINED ? index : PREDEFINED;
}

static NTSTATUS AdvpOpenFull(const WCHAR *path, ACCESS_MASK access, HANDLE *handle) {
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &name, OBJ_CASE_INSENSITIVE, NULL, NULL};
    AdvpName(&name, path);
    return NtOpenKey(handle, access, &attributes);
}

/* `RegOpenCurrentUser`: the key of the user whom the thread acts for. */
LSTATUS NTAPI RegOpenCurrentUser(ACCESS_MASK access, HKEY *result) {
    enum { TOKEN_QUERY_RIGHT = 8, TokenUser = 1 };
    static const WCHAR head[] = L"\\Registry\\User\\";
    union { SID *sid; UCHAR bytes[128]; } user;
    WCHAR path[256], *text;
    HANDLE token;
    ULONG returned;
    NTSTATUS status = NtOpenThreadToken(NtCurrentThread(), TOKEN_QUERY_RIGHT, TRUE, &token);
    if (status == STATUS_NO_TOKEN) status = NtOpenProcessToken(NtCurrentProcess(), TOKEN_QUERY_RIGHT, &token);
    if (status < 0) return AdvpError(status);
    status = NtQueryInformationToken(token, TokenUser, &user, sizeof user, &returned);
    NtClose(token);
    if (status < 0) return AdvpError(status);
    if (!ConvertSidToStringSidW(user.sid, &text)) return (LSTATUS)RtlGetLastWin32Error();
    wcscpy(path, head);
    wcscpy(path + sizeof head / sizeof *head - 1, text);
    AdvpFree(text);
    return AdvpError(AdvpOpenFull(path, access, result));
}

/* The handle that a key stands for. */
LSTATUS AdvpKey(HKEY key, HANDLE *handle) {
    static const WCHAR *const paths[PREDEFINED] = {
        [CLASSES_ROOT] = L"\\Registry\\Machine\\Software\\Classes",
        [LOCAL_MACHINE] = L"\\Registry\\Machine",
        [USERS] = L"\\Registry\\User",
        [CURRENT_CONFIG] = L"\\Registry\\Machine\\System\\CurrentControlSet\\Hardware Profiles\\Current",
    };
    ULONG index = AdvpPredefined(key);
    *handle = key;
    if (!key) return ERROR_INVALID_HANDLE;
    if (index == PREDEFINED) return ERROR_SUCCESS;
    *handle = AdvpOverridden[index] ? AdvpOverridden[index] : AdvpOpened[index];
    if (*handle) return ERROR_SUCCESS;
    if (index != CURRENT_USER && !paths[index]) return ERROR_NOT_SUPPORTED;
    LSTATUS error = index == CURRENT_USER ? RegOpenCurrentUser(MAXIMUM_ALLOWED, handle)
                                          : AdvpError(AdvpOpenFull(paths[index], MAXIMUM_ALLOWED, handle));
    if (error) return error;
    HANDLE none = NULL;
    /* Two threads may have opened it. */
    if (!__atomic_compare_exchange_n(&AdvpOpened[index], &none, *handle, FALSE, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        NtClose(*handle);
        *handle = none;
    }
    return ERROR_SUCCESS;
}

/* `RegCloseKey`: predefined keys stay open. */
LSTATUS NTAPI RegCloseKey(HKEY key) {
    if (!key) return ERROR_INVALID_HANDLE;
    if (AdvpPredefined(key) != PREDEFINED) return ERROR_SUCCESS;
    return AdvpError(NtClose(key));
}

/* `RegOverridePredefKey`: a predefined key means another, or itself again. */
LSTATUS NTAPI RegOverridePredefKey(HKEY key, HKEY other) {
    ULONG index = AdvpPredefined(key);
    HANDLE copy = NULL;
    if (index == PREDEFINED) return ERROR_INVALID_HANDLE;
    if (other) {
        enum { DUPLICATE_SAME_ACCESS = 2 };
        LSTATUS error = AdvpKey(other, &other);
        if (error) return error;
        NTSTATUS status = NtDuplicateObject(NtCurrentProcess(), other, NtCurrentProcess(), &copy, 0, 0, DUPLICATE_SAME_ACCESS);
        if (status < 0) return AdvpError(status);
    }
    if (AdvpOverridden[index]) NtClose(AdvpOverridden[index]);
    AdvpOverridden[index] = copy;
    return ERROR_SUCCESS;
}

/* `RegDisablePredefinedCache`: handles of predefined keys are of the process's user, as they always are here. */
LSTATUS NTAPI RegDisablePredefinedCache(void) { return ERROR_SUCCESS; }

static LSTATUS AdvpOpen(HKEY key, const WCHAR *name, ULONG flags, ACCESS_MASK access, HKEY *result) {
    UNICODE_STRING string;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &string, OBJ_CASE_INSENSITIVE | flags, NULL, NULL};
    LSTATUS error = AdvpKey(key, &attributes.RootDirectory);
    if (error) return error;
    if (!AdvpName(&string, name)) return ERROR_INVALID_PARAMETER;
    return AdvpError(NtOpenKey(result, access, &attributes));
}

/* `RegOpenKeyExW`. */
LSTATUS NTAPI RegOpenKeyExW(HKEY key, const WCHAR *name, ULONG options, ACCESS_MASK access, HKEY *result) {
    if (!result) return ERROR_INVALID_PARAMETER;
    return AdvpOpen(key, name, options & REG_OPTION_OPEN_LINK ? OBJ_OPENLINK : 0, access, result);
}

/* `RegOpenKeyW`: without a name the key itself. */
LSTATUS NTAPI RegOpenKeyW(HKEY key, const WCHAR *name, HKEY *result) {
    if (!result) return ERROR_INVALID_PARAMETER;
    if (!name || !*name) {
        *result = key;
        return ERROR_SUCCESS;
    }
    return RegOpenKeyExW(key, name, 0, MAXIMUM_ALLOWED, result);
}

/* `RegCreateKeyExW`: keys on the way are made too. */
LSTATUS NTAPI RegCreateKeyExW(HKEY key, const WCHAR *name, ULONG reserved, const WCHAR *class, ULONG options, ACCESS_MASK access,
                              const ADVP_SECURITY_ATTRIBUTES *security, HKEY *result, ULONG *disposition) {
    UNICODE_STRING string, class_string;
    HANDLE root;
    if (reserved || !name || !result) return ERROR_INVALID_PARAMETER;
    LSTATUS error = AdvpKey(key, &root);
    if (error) return error;
    if (!AdvpName(&string, name) || !AdvpName(&class_string, class)) return ERROR_INVALID_PARAMETER;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, root, &string, OBJ_CASE_INSENSITIVE, NULL, NULL};
    if (security) {
        attributes.SecurityDescriptor = security->lpSecurityDescriptor;
        if (security->bInheritHandle) attributes.Attributes |= OBJ_INHERIT;
    }
    NTSTATUS status = NtCreateKey(result, access, &attributes, 0, &class_string, options, disposition);
    if (status != STATUS_OBJECT_NAME_NOT_FOUND) return AdvpError(status);
    /* Each key on the way in the one before; a link is only the last. */
    HANDLE above = root;
    const WCHAR *at = name;
    for (;;) {
        while (*at == '\\') at++;
        const WCHAR *end = at;
        while (*end && *end != '\\') end++;
        const WCHAR *rest = end;
        while (*rest == '\\') rest++;
        string = (UNICODE_STRING){(USHORT)((end - at) * sizeof(WCHAR)), (USHORT)((end - at) * sizeof(WCHAR)), (WCHAR *)at};
        attributes.RootDirectory = above;
        BOOL last = !*rest;
        HANDLE next = NULL;
        status = last ? NtCreateKey(result, access, &attributes, 0, &class_string, options, disposition)
                      : NtCreateKey(&next, MAXIMUM_ALLOWED | (access & KEY_WOW64_RES), &attributes, 0, NULL, options & ~2u, NULL);
        if (above != root) NtClose(above);
        if (last || status < 0) return AdvpError(status);
        above = next;
        at = rest;
    }
}

/* `RegCreateKeyW`: without a name the key itself. */
LSTATUS NTAPI RegCreateKeyW(HKEY key, const WCHAR *name, HKEY *result) {
    if (!result) return ERROR_INVALID_PARAMETER;
    if (!name || !*name) {
        *result = key;
        return ERROR_SUCCESS;
    }
    return RegCreateKeyExW(key, name, 0, NULL, 0, MAXIMUM_ALLOWED, NULL, result, NULL);
}

#define DELETE_RIGHT 0x10000

/* `RegDeleteKeyExW`: a key without subkeys, in one of the views. */
LSTATUS NTAPI RegDeleteKeyExW(HKEY key, const WCHAR *name, ACCESS_MASK view, ULONG reserved) {
    HKEY found;
    if (!name || reserved) return ERROR_INVALID_PARAMETER;
    LSTATUS error = AdvpOpen(key, name, OBJ_OPENLINK, DELETE_RIGHT | (view & KEY_WOW64_RES), &found);
    if (error) return error;
    error = AdvpError(NtDeleteKey(found));
    NtClose(found);
    return error;
}

/* `RegDeleteKeyW`. */
LSTATUS NTAPI RegDeleteKeyW(HKEY key, const WCHAR *name) { return RegDeleteKeyExW(key, name, 0, 0); }

/* What is below a key, and its values where it is to stay. */
static LSTATUS AdvpEmpty(HANDLE key, BOOL values) {
    union { KEY_BASIC_INFORMATION info; UCHAR bytes[sizeof(KEY_BASIC_INFORMATION) + (LONGEST_KEY + 1) * sizeof(WCHAR)]; } child;
    ULONG returned;
    NTSTATUS status;
    while ((status = NtEnumerateKey(key, 0, KeyBasicInformation, &child, sizeof child, &returned)) >= 0) {
        UNICODE_STRING name = {(USHORT)child.info.NameLength, (USHORT)child.info.NameLength, child.info.Name};
        OBJECT_ATTRIBUTES attributes = {sizeof attributes, key, &name, OBJ_CASE_INSENSITIVE | OBJ_OPENLINK, NULL, NULL};
        HANDLE handle;
        status = NtOpenKey(&handle, DELETE_RIGHT | KEY_ENUMERATE_SUB_KEYS, &attributes);
        if (status < 0) return AdvpError(status);
        LSTATUS error = AdvpEmpty(handle, FALSE);
        if (!error) error = AdvpError(NtDeleteKey(handle));
        NtClose(handle);
        if (error) return error;
    }
    if (status != STATUS_NO_MORE_ENTRIES) return AdvpError(status);
    if (!values) return ERROR_SUCCESS;
    KEY_VALUE_FULL_INFORMATION *value = AdvpAllocate(sizeof *value + (LONGEST_VALUE + 1) * sizeof(WCHAR));
    if (!value) return ERROR_NOT_ENOUGH_MEMORY;
    /* KeyValueBasicInformation has the name behind twelve bytes, so that any data fits. */
    struct { ULONG TitleIndex, Type, NameLength; WCHAR Name[]; } *basic = (PVOID)value;
    while ((status = NtEnumerateValueKey(key, 0, 0, basic, sizeof *value + (LONGEST_VALUE + 1) * sizeof(WCHAR), &returned)) >= 0) {
        UNICODE_STRING name = {(USHORT)basic->NameLength, (USHORT)basic->NameLength, basic->Name};
        if ((status = NtDeleteValueKey(key, &name)) < 0) break;
    }
    AdvpFree(value);
    return status == STATUS_NO_MORE_ENTRIES ? ERROR_SUCCESS : AdvpError(status);
}

/* `RegDeleteTreeW`: a key with all below it; without a name what is in the key itself. */
LSTATUS NTAPI RegDeleteTreeW(HKEY key, const WCHAR *name) {
    HKEY found;
    if (!name || !*name) {
        LSTATUS error = AdvpKey(key, &found);
        return error ? error : AdvpEmpty(found, TRUE);
    }
    LSTATUS error = AdvpOpen(key, name, 0, DELETE_RIGHT | KEY_ENUMERATE_SUB_KEYS | KEY_QUERY_VALUE | KEY_SET_VALUE, &found);
    if (error) return error;
    error = AdvpEmpty(found, FALSE);
    if (!error) error = AdvpError(NtDeleteKey(found));
    NtClose(found);
    return error;
}

/* NtRenameKey, which XP brought. */
typedef NTSTATUS NTAPI RENAME_KEY(HANDLE, UNICODE_STRING *);

/* `RegRenameKey`. */
LSTATUS NTAPI RegRenameKey(HKEY key, const WCHAR *name, const WCHAR *new_name) {
    UNICODE_STRING string;
    HKEY found;
    RENAME_KEY *rename = NtpService("NtRenameKey");
    if (!rename) return ERROR_CALL_NOT_IMPLEMENTED;
    if (!new_name || !AdvpName(&string, new_name)) return ERROR_INVALID_PARAMETER;
    LSTATUS error = AdvpOpen(key, name, 0, 0x20006, &found);
    if (error) return error;
    error = AdvpError(rename(found, &string));
    NtClose(found);
    return error;
}

/* `RegFlushKey`. */
LSTATUS NTAPI RegFlushKey(HKEY key) {
    HANDLE handle;
    LSTATUS error = AdvpKey(key, &handle);
    return error ? error : AdvpError(NtFlushKey(handle));
}

/* `RegNotifyChangeKeyValue`: sets an event at the next change, or waits for it. */
LSTATUS NTAPI RegNotifyChangeKeyValue(HKEY key, BOOL tree, ULONG filter, HANDLE event, BOOL asynchronous) {
    /* Written when the change comes, and read by nobody. */
    static IO_STATUS_BLOCK block;
    HANDLE handle;
    LSTATUS error = AdvpKey(key, &handle);
    if (error) return error;
    if (asynchronous && !event) return ERROR_INVALID_HANDLE;
    return AdvpError(NtNotifyChangeKey(handle, asynchronous ? event : NULL, NULL, NULL, &block, filter, !!tree, NULL, 0, !!asynchronous));
}

/* `RegGetKeySecurity`: ERROR_INSUFFICIENT_BUFFER with the size. */
LSTATUS NTAPI RegGetKeySecurity(HKEY key, ULONG parts, PVOID descriptor, ULONG *size) {
    HANDLE handle;
    LSTATUS error = AdvpKey(key, &handle);
    return error ? error : AdvpError(NtQuerySecurityObject(handle, parts, descriptor, *size, size));
}

/* `RegSetKeySecurity`. */
LSTATUS NTAPI RegSetKeySecurity(HKEY key, ULONG parts, PVOID descriptor) {
    HANDLE handle;
    LSTATUS error = AdvpKey(key, &handle);
    return error ? error : AdvpError(NtSetSecurityObject(handle, parts, descriptor));
}

/* `RegConnectRegistryW`: of this machine only. */
LSTATUS NTAPI RegConnectRegistryW(const WCHAR *machine, HKEY key, HKEY *result) {
    ULONG index = AdvpPredefined(key);
    HANDLE handle;
    if (machine && *machine) return ERROR_BAD_NETPATH;
    if (index != LOCAL_MACHINE && index != USERS) return ERROR_INVALID_HANDLE;
    LSTATUS error = AdvpKey(key, &handle);
    return error ? error : RegOpenKeyExW(handle, NULL, 0, MAXIMUM_ALLOWED, result);
}
