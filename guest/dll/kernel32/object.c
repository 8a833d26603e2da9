/* The names that Win32 gives to objects, and the directory they lie in. */
#include "kernel32.h"

/* DIRECTORY_ALL_ACCESS without the standard rights that change the directory itself. */
#define BASEP_DIRECTORY_ACCESS 0x2000f

static HANDLE BasepNamedObjectDirectory;

/* Appends a number. */
static void BasepAppendNumber(WCHAR *path, ULONG number) {
    WCHAR digits[11], *at = digits + 10;
    *at = 0;
    do *--at = (WCHAR)('0' + number % 10);
    while (number /= 10);
    wcscat(path, at);
}

/* `BaseGetNamedObjectDirectory`: the directory of the process's session, which stays open from its first use:
 * `\Sessions\1\BaseNamedObjects`, or `\BaseNamedObjects` in session 0. */
NTSTATUS NTAPI BaseGetNamedObjectDirectory(HANDLE *directory) {
    WCHAR path[sizeof "\\Sessions\\4294967295\\BaseNamedObjects"];
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &name, OBJ_CASE_INSENSITIVE, NULL, NULL};
    ULONG session = NtCurrentPeb()->SessionId;
    if (!BasepNamedObjectDirectory) {
        HANDLE opened, none = NULL;
        path[0] = 0;
        if (session) {
            wcscpy(path, L"\\Sessions\\");
            BasepAppendNumber(path, session);
        }
        wcscat(path, L"\\BaseNamedObjects");
        RtlInitUnicodeString(&name, path);
        NTSTATUS status = NtOpenDirectoryObject(&opened, BASEP_DIRECTORY_ACCESS, &attributes);
        if (status < 0) return status;
        /* Another thread may have been here in between. */
        if (!__atomic_compare_exchange_n(&BasepNamedObjectDirectory, &none, opened, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            NtClose(opened);
    }
    *directory = BasepNamedObjectDirectory;
    return STATUS_SUCCESS;
}

/* Fills in the attributes of a name below that directory, whose symbolic links give `Global\`, `Local\` and `Session\`
 * their meaning. FALSE with a last error. */
static BOOL BasepName(BASEP_OBJECT *object, const WCHAR *name) {
    NTSTATUS status = RtlInitUnicodeStringEx(&object->Name, name);
    if (status >= 0) status = BaseGetNamedObjectDirectory(&object->Attributes.RootDirectory);
    object->Attributes.ObjectName = &object->Name;
    return BasepStatus(status);
}

/* The attributes to create an object with. With neither name nor security there is no OBJECT_ATTRIBUTES either, and
 * `*attributes` is NULL. */
BOOL BasepCreateAttributes(BASEP_OBJECT *object, const SECURITY_ATTRIBUTES *security, const WCHAR *name,
                           OBJECT_ATTRIBUTES **attributes) {
    ULONG flags = (name ? OBJ_OPENIF : 0) | (security && security->bInheritHandle ? OBJ_INHERIT : 0);
    *attributes = NULL;
    if (!security && !name) return TRUE;
    *attributes = &object->Attributes;
    object->Attributes = (OBJECT_ATTRIBUTES){
        sizeof object->Attributes, NULL, NULL, flags, security ? security->lpSecurityDescriptor : NULL, NULL};
    return !name || BasepName(object, name);
}

/* The attributes to open an object by its name with. */
BOOL BasepOpenAttributes(BASEP_OBJECT *object, BOOL inherited, const WCHAR *name) {
    object->Attributes = (OBJECT_ATTRIBUTES){sizeof object->Attributes, NULL, NULL, inherited ? OBJ_INHERIT : 0, NULL, NULL};
    return name ? BasepName(object, name) : BasepFail(ERROR_INVALID_PARAMETER);
}

/* What a create function returns: the handle, with ERROR_ALREADY_EXISTS as the last error if the object was there and 0
 * if it was not; or NULL. */
HANDLE BasepCreated(NTSTATUS status, const HANDLE *handle) {
    if (!BasepStatus(status)) return NULL;
    RtlSetLastWin32Error(status == STATUS_OBJECT_NAME_EXISTS ? ERROR_ALREADY_EXISTS : 0);
    return *handle;
}

/* What an open function returns. */
HANDLE BasepOpened(NTSTATUS status, const HANDLE *handle) { return BasepStatus(status) ? *handle : NULL; }

/* A service or function of ntdll that not every Windows has; NULL with a last error where it is missing. */
PVOID BasepNewer(const char *name) {
    UNICODE_STRING ntdll;
    ANSI_STRING text;
    PVOID module, address = NULL;
    RtlInitUnicodeString(&ntdll, L"ntdll.dll");
    RtlInitAnsiString(&text, name);
    NTSTATUS status = LdrGetDllHandle(NULL, NULL, &ntdll, &module);
    if (status >= 0) status = LdrGetProcedureAddress(module, &text, 0, &address);
    if (status >= 0) return address;
    BasepFail(ERROR_PROC_NOT_FOUND);
    return NULL;
}

/* `BaseSetLastNTError`: the last error of a status, which it returns. */
ULONG NTAPI BaseSetLastNTError(NTSTATUS status) { return RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status); }
