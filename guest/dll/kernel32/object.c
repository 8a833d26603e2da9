/* The names that Win32 gives to objects, and the directory they lie in. */
#include "kernel32.h"

/* DIRECTORY_ALL_ACCESS without the standard rights that change the directory itself. */
#define BASEP_DIRECTORY_ACCESS 0x2000f
#define DIRECTORY_TRAVERSE 2
#define TOKEN_QUERY 8

static HANDLE BasepNamedObjectDirectory;

/* Opens a directory by its path, below another or the root. */
static NTSTATUS BasepOpenDirectory(HANDLE root, const WCHAR *path, ACCESS_MASK access, HANDLE *directory) {
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, root, &name, OBJ_CASE_INSENSITIVE, NULL, NULL};
    RtlInitUnicodeString(&name, path);
    return NtOpenDirectoryObject(directory, access, &attributes);
}

/* Opens the directory of names for the process: that of its session. Who may make no names there has an AppContainer
 * with a directory of its own, or a restricted token: then one inside will do. */
static NTSTATUS BasepOpenNames(HANDLE *directory) {
    WCHAR path[sizeof "\\Sessions\\4294967295\\" + BASEP_CONTAINER_PATH] = L"\\Sessions\\";
    ULONG session = NtCurrentPeb()->SessionId;
    HANDLE token, outer;
    BasepAppendNumber(path, session);
    size_t end = wcslen(path);
    WCHAR *names = session ? path + end : path;
    wcscpy(names, L"\\BaseNamedObjects");
    NTSTATUS status = BasepOpenDirectory(NULL, path, BASEP_DIRECTORY_ACCESS, directory);
    if (status != STATUS_ACCESS_DENIED) return status;
    if (BasepOpenDirectory(NULL, path, DIRECTORY_TRAVERSE, &outer) >= 0) {
        NTSTATUS inside = BasepOpenDirectory(outer, L"Restricted", BASEP_DIRECTORY_ACCESS, directory);
        NtClose(outer);
        if (inside >= 0) return inside;
    }
    if (NtOpenProcessToken((HANDLE)-1, TOKEN_QUERY, &token) < 0) return status;
    wcscpy(path, L"\\Sessions\\");
    BasepAppendNumber(path, session);
    wcscat(path, L"\\");
    NTSTATUS contained = BasepContainerPath(token, NULL, path + wcslen(path));
    NtClose(token);
    return contained < 0 ? status : BasepOpenDirectory(NULL, path, BASEP_DIRECTORY_ACCESS, directory);
}

/* `BaseGetNamedObjectDirectory`: the directory of the process's session, which stays open from its first use:
 * `\Sessions\1\BaseNamedObjects`, or `\BaseNamedObjects` in session 0; `Restricted` in it for a restricted process,
 * `\Sessions\1\AppContainerNamedObjects\S-1-15-2-...` for one in an AppContainer. */
NTSTATUS NTAPI BaseGetNamedObjectDirectory(HANDLE *directory) {
    if (!BasepNamedObjectDirectory) {
        HANDLE opened, none = NULL;
        NTSTATUS status = BasepOpenNames(&opened);
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
    PVOID address = NtpService(name);
    if (!address) BasepFail(ERROR_PROC_NOT_FOUND);
    return address;
}

/* `BaseSetLastNTError`: the last error of a status, which it returns. */
ULONG NTAPI BaseSetLastNTError(NTSTATUS status) { return RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status); }
