/* `CreateProcess`: which image a command line means, what the child is told, and the call. */
#include "files.h"
#include "ntprocess.h"
#include "startup.h"

typedef struct {
    HANDLE hProcess, hThread;
    ULONG dwProcessId, dwThreadId;
} PROCESS_INFORMATION;

enum { ERROR_BAD_EXE_FORMAT = 193 };
enum {
    CREATE_SUSPENDED = 0x4, DETACHED_PROCESS = 0x8, CREATE_UNICODE_ENVIRONMENT = 0x400, EXTENDED_STARTUPINFO_PRESENT = 0x80000,
    CREATE_BREAKAWAY_FROM_JOB = 0x1000000, CREATE_DEFAULT_ERROR_MODE = 0x4000000,
};
#define DEBUG_FLAGS 0x3
#define STARTF_USESTDHANDLES 0x100
#define IMAGE_SUBSYSTEM_WINDOWS_CUI 3
#define FILE_DEVICE_CONSOLE 0x50
#define CONSOLE_DETACHED_PROCESS ((HANDLE)-1)

ULONG NTAPI GetFileAttributesW(const WCHAR *);

/* Whether a path names a file. */
static BOOL BasepIsFile(const WCHAR *path) {
    ULONG attributes = GetFileAttributesW(path);
    return attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_DIRECTORY);
}

/* Puts `folder\name` with `.exe` behind a name without an extension, in room for MAX_PATH; whether that is a file. */
static BOOL BasepTry(const WCHAR *folder, ULONG folder_length, const WCHAR *name, ULONG length, WCHAR *to) {
    ULONG used = 0;
    BOOL dot = FALSE;
    if (folder_length + length + 6 > MAX_PATH || !length) return FALSE;
    memmove(to, folder, folder_length * 2);
    used = folder_length;
    if (used && to[used - 1] != '\\' && to[used - 1] != ':') to[used++] = '\\';
    memmove(to + used, name, length * 2);
    for (ULONG i = 0; i < length; i++) dot = name[i] == '.' || (dot && name[i] != '\\' && name[i] != '/');
    used += length;
    to[used] = 0;
    if (!dot) wcscpy(to + used, L".exe");
    return BasepIsFile(to);
}

/* Looks for a program: a bare name beside the running one, in the current directory, in Windows' folders and in PATH. */
static BOOL BasepFindProgram(const WCHAR *name, ULONG length, WCHAR *to) {
    const RTL_USER_PROCESS_PARAMETERS *own = NtCurrentPeb()->ProcessParameters;
    for (ULONG i = 0; i < length; i++)
        if (name[i] == '\\' || name[i] == '/' || name[i] == ':') return BasepTry(L"", 0, name, length, to);
    ULONG folder = own->ImagePathName.Length / 2;
    while (folder && own->ImagePathName.Buffer[folder - 1] != '\\') folder--;
    if (BasepTry(own->ImagePathName.Buffer, folder, name, length, to)) return TRUE;
    if (BasepTry(own->CurrentDirectory.DosPath.Buffer, own->CurrentDirectory.DosPath.Length / 2, name, length, to)) return TRUE;
    if (BasepTry(L"C:\\Windows\\system32", 19, name, length, to)) return TRUE;
    if (BasepTry(L"C:\\Windows", 10, name, length, to)) return TRUE;
    const WCHAR *path = BasepVariable("PATH");
    while (path && *path) {
        ULONG end = 0;
        while (path[end] && path[end] != ';') end++;
        if (end && BasepTry(path, end, name, length, to)) return TRUE;
        path += end + (path[end] == ';');
    }
    return FALSE;
}

/* The program that a command line begins with: what stands in quotes, or the shortest part up to a space that is one. */
static BOOL BasepProgramOfLine(const WCHAR *line, WCHAR *to) {
    if (*line == '"') {
        ULONG end = 1;
        while (line[end] && line[end] != '"') end++;
        return BasepFindProgram(line + 1, end - 1, to);
    }
    for (ULONG end = 0;; end++) {
        if (line[end] && line[end] != ' ' && line[end] != '\t') continue;
        if (BasepFindProgram(line, end, to)) return TRUE;
        if (!line[end]) return FALSE;
    }
}

/* Whether a handle is one of the console's. */
static BOOL BasepIsConsole(HANDLE handle) {
    struct { ULONG DeviceType, Characteristics; } device;
    IO_STATUS_BLOCK io;
    return NtQueryVolumeInformationFile(handle, &io, &device, sizeof device, FileFsDeviceInformation) >= 0 &&
           device.DeviceType == FILE_DEVICE_CONSOLE;
}

/* The standard handles that the child is told of, and whether the kernel is to copy them. */
static void BasepStandardHandles(RTL_USER_PROCESS_PARAMETERS *parameters, const STARTUPINFOW *startup, BOOL inherit, BOOL listed,
                                 ULONG flags, PS_ATTRIBUTE_LIST *list, PS_STD_HANDLE_INFO *copied) {
    const RTL_USER_PROCESS_PARAMETERS *own = NtCurrentPeb()->ProcessParameters;
    if (startup->dwFlags & STARTF_USESTDHANDLES) {
        parameters->StandardInput = startup->hStdInput;
        parameters->StandardOutput = startup->hStdOutput;
        parameters->StandardError = startup->hStdError;
        return;
    }
    if (flags & DETACHED_PROCESS) {
        parameters->ConsoleHandle = CONSOLE_DETACHED_PROCESS;
        return;
    }
    /* A console of its own is the same one here: there is one. */
    parameters->StandardInput = own->StandardInput;
    parameters->StandardOutput = own->StandardOutput;
    parameters->StandardError = own->StandardError;
    if (inherit && !listed) return;
    *copied = (PS_STD_HANDLE_INFO){PsRequestDuplicate, IMAGE_SUBSYSTEM_WINDOWS_CUI};
    /* What a list of handles leaves out the child has not; but it always has the console. */
    for (ULONG i = 0; inherit && i < 3; i++)
        if (!BasepIsConsole((&own->StandardInput)[i])) copied->Flags |= 4u << i;
    PspAddAttribute(list, PS_ATTRIBUTE_STD_HANDLE_INFO, sizeof *copied, copied);
}

/* The kernel's class for a priority flag of `CreateProcess`; 0: none is asked for. */
static UCHAR BasepPriorityClass(ULONG flags) {
    static const struct { ULONG Flag; UCHAR Class; } classes[] = {
        {0x40, 1}, {0x20, 2}, {0x80, 3}, {0x100, 4}, {0x4000, 5}, {0x8000, 6},
    };
    for (ULONG i = 0; i < sizeof classes / sizeof *classes; i++)
        if (flags & classes[i].Flag) return classes[i].Class;
    return 0;
}

/* What the child is told. */
static NTSTATUS BasepParameters(const WCHAR *image, const WCHAR *line, const WCHAR *directory, PVOID environment,
                                const STARTUPINFOW *startup, RTL_USER_PROCESS_PARAMETERS **made) {
    UNICODE_STRING path, text, folder, title, desktop, data;
    NTSTATUS status = RtlInitUnicodeStringEx(&path, image);
    if (status >= 0) status = RtlInitUnicodeStringEx(&text, line);
    if (status >= 0) status = RtlInitUnicodeStringEx(&folder, directory);
    if (status >= 0) status = RtlInitUnicodeStringEx(&title, startup->lpTitle ? startup->lpTitle : image);
    if (status < 0) return status;
    desktop = NtCurrentPeb()->ProcessParameters->DesktopInfo;
    if (startup->lpDesktop) RtlInitUnicodeString(&desktop, startup->lpDesktop);
    data = (UNICODE_STRING){startup->cbReserved2, startup->cbReserved2, (WCHAR *)startup->lpReserved2};
    status = RtlCreateProcessParametersEx(made, &path, NULL, directory ? &folder : NULL, &text, environment, &title, &desktop, NULL,
                                          startup->lpReserved2 ? &data : NULL, RTL_USER_PROC_PARAMS_NORMALIZED);
    if (status < 0) return status;
    RTL_USER_PROCESS_PARAMETERS *parameters = *made;
    parameters->StartingX = startup->dwX;
    parameters->StartingY = startup->dwY;
    parameters->CountX = startup->dwXSize;
    parameters->CountY = startup->dwYSize;
    parameters->CountCharsX = startup->dwXCountChars;
    parameters->CountCharsY = startup->dwYCountChars;
    parameters->FillAttribute = startup->dwFillAttribute;
    parameters->WindowFlags = startup->dwFlags;
    parameters->ShowWindowFlags = startup->wShowWindow;
    return STATUS_SUCCESS;
}

/* The handle of a `SECURITY_ATTRIBUTES`. */
static void BasepSecurity(OBJECT_ATTRIBUTES *attributes, const SECURITY_ATTRIBUTES *security) {
    *attributes = (OBJECT_ATTRIBUTES){sizeof *attributes, NULL, NULL, 0, NULL, NULL};
    if (!security) return;
    attributes->SecurityDescriptor = security->lpSecurityDescriptor;
    if (security->bInheritHandle) attributes->Attributes |= OBJ_INHERIT;
}

/* The call, for an image by its full path. */
static NTSTATUS BasepCreate(const WCHAR *image, RTL_USER_PROCESS_PARAMETERS *parameters, const STARTUPINFOEXW *startup, BOOL inherit,
                            ULONG flags, OBJECT_ATTRIBUTES *process, OBJECT_ATTRIBUTES *thread, PROCESS_INFORMATION *made) {
    NT_CREATE_USER_PROCESS *create = BasepNewer("NtCreateUserProcess");
    PS_CREATE_INFO info = {.Size = PS_CREATE_INFO_SIZE};
    PS_ATTRIBUTE_LIST list = {.TotalLength = sizeof(SIZE_T)};
    PS_STD_HANDLE_INFO copied;
    UNICODE_STRING path;
    CLIENT_ID client = {NULL, NULL};
    UCHAR class = BasepPriorityClass(flags);
    ULONG mode = 1, create_flags = inherit ? PROCESS_CREATE_FLAGS_INHERIT_HANDLES : 0;
    if (!create) return STATUS_NOT_SUPPORTED;
    NTSTATUS status = RtlDosPathNameToNtPathName_U_WithStatus(image, &path, NULL, NULL);
    if (status < 0) return status;
    info.Init.Flags = 0x2000u << 16; /* no DLL */
    PspAddAttribute(&list, PS_ATTRIBUTE_IMAGE_NAME, path.Length, path.Buffer);
    PspAddAttribute(&list, PS_ATTRIBUTE_CLIENT_ID, sizeof client, &client);
    if (class) PspAddAttribute(&list, PS_ATTRIBUTE_PRIORITY_CLASS, sizeof class, &class);
    if (flags & CREATE_DEFAULT_ERROR_MODE) PspAddAttribute(&list, PS_ATTRIBUTE_ERROR_MODE, sizeof mode, &mode);
    if (flags & CREATE_BREAKAWAY_FROM_JOB) create_flags |= PROCESS_CREATE_FLAGS_BREAKAWAY;
    BOOL listed = flags & EXTENDED_STARTUPINFO_PRESENT && BasepAddThreadAttributes(startup->lpAttributeList, &list);
    BasepStandardHandles(parameters, &startup->StartupInfo, inherit, listed, flags, &list, &copied);
    status = create(&made->hProcess, &made->hThread, 0x2000000, 0x2000000, process, thread, create_flags,
                    flags & CREATE_SUSPENDED ? THREAD_CREATE_FLAGS_CREATE_SUSPENDED : 0, parameters, &info, &list);
    RtlFreeUnicodeString(&path);
    if (info.State == PsCreateSuccess) {
        if (info.Success.File) NtClose(info.Success.File);
        if (info.Success.Section) NtClose(info.Success.Section);
    } else if (info.State == PsCreateFailOnSectionCreate && info.File) NtClose(info.File);
    made->dwProcessId = (ULONG)(ULONG_PTR)client.UniqueProcess;
    made->dwThreadId = (ULONG)(ULONG_PTR)client.UniqueThread;
    return status;
}

/* `CreateProcessW`. The child has the parent's console, also where it is to have its own; there is no debugging of it. */
BOOL NTAPI CreateProcessW(const WCHAR *application, WCHAR *line, const SECURITY_ATTRIBUTES *process, const SECURITY_ATTRIBUTES *thread,
                          BOOL inherit, ULONG flags, PVOID environment, const WCHAR *directory, const STARTUPINFOEXW *startup,
                          PROCESS_INFORMATION *made) {
    WCHAR found[MAX_PATH + 1], image[MAX_PATH + 1], folder[MAX_PATH + 1];
    OBJECT_ATTRIBUTES of_process, of_thread;
    RTL_USER_PROCESS_PARAMETERS *parameters;
    WCHAR *wide = NULL;
    *made = (PROCESS_INFORMATION){NULL, NULL, 0, 0};
    if (flags & DEBUG_FLAGS) return BasepFail(ERROR_NOT_SUPPORTED);
    if (!application && (!line || !*line)) return BasepFail(ERROR_PATH_NOT_FOUND);
    if (application ? !BasepIsFile(application) : !BasepProgramOfLine(line, found))
        return application ? FALSE : BasepFail(ERROR_FILE_NOT_FOUND);
    ULONG length = RtlGetFullPathName_U(application ? application : found, sizeof image, image, NULL) / 2;
    if (!length || length > MAX_PATH) return BasepFail(ERROR_FILENAME_EXCED_RANGE);
    if (directory) {
        ULONG attributes = GetFileAttributesW(directory);
        if (attributes == INVALID_FILE_ATTRIBUTES || !(attributes & FILE_ATTRIBUTE_DIRECTORY)) return BasepFail(ERROR_DIRECTORY);
        length = RtlGetFullPathName_U(directory, sizeof folder - 2, folder, NULL) / 2;
        if (!length || length >= MAX_PATH) return BasepFail(ERROR_DIRECTORY);
        if (folder[length - 1] != '\\') wcscat(folder, L"\\");
    }
    if (environment && !(flags & CREATE_UNICODE_ENVIRONMENT) && !(environment = wide = BasepWidenBlock(environment))) return FALSE;
    NTSTATUS status = BasepParameters(image, line ? line : application, directory ? folder : NULL, environment,
                                      &startup->StartupInfo, &parameters);
    if (wide) BasepFree(wide);
    if (!BasepStatus(status)) return FALSE;
    BasepSecurity(&of_process, process);
    BasepSecurity(&of_thread, thread);
    status = BasepCreate(image, parameters, startup, inherit, flags, &of_process, &of_thread, made);
    RtlDestroyProcessParameters(parameters);
    if (status == STATUS_INVALID_IMAGE_FORMAT || status == STATUS_INVALID_IMAGE_NOT_MZ) return BasepFail(ERROR_BAD_EXE_FORMAT);
    return BasepStatus(status);
}

/* `CreateProcessA`: the same with texts in UTF-8. */
BOOL NTAPI CreateProcessA(const char *application, char *line, const SECURITY_ATTRIBUTES *process, const SECURITY_ATTRIBUTES *thread,
                          BOOL inherit, ULONG flags, PVOID environment, const char *directory, const STARTUPINFOEXA *startup,
                          PROCESS_INFORMATION *made) {
    const STARTUPINFOA *narrow = &startup->StartupInfo;
    const char *texts[] = {application, line, directory, narrow->lpDesktop, narrow->lpTitle};
    WCHAR *wide[5] = {NULL, NULL, NULL, NULL, NULL};
    BOOL result = TRUE;
    for (ULONG i = 0; i < 5 && result; i++)
        if (texts[i]) result = (wide[i] = BasepWidenLong(texts[i])) != NULL;
    if (result) {
        /* The structures differ in nothing but what their texts are made of. */
        STARTUPINFOEXW copy = {.lpAttributeList = NULL};
        memmove(&copy.StartupInfo, narrow, sizeof copy.StartupInfo);
        copy.StartupInfo.lpDesktop = wide[3];
        copy.StartupInfo.lpTitle = wide[4];
        if (flags & EXTENDED_STARTUPINFO_PRESENT) copy.lpAttributeList = startup->lpAttributeList;
        result = CreateProcessW(wide[0], wide[1], process, thread, inherit, flags, environment, wide[2], &copy, made);
    }
    ULONG error = RtlGetLastWin32Error();
    for (ULONG i = 0; i < 5; i++)
        if (wide[i]) BasepFree(wide[i]);
    if (!result) RtlSetLastWin32Error(error);
    return result;
}

/* `WinExec`: more than 31 for success. */
ULONG NTAPI WinExec(const char *line, ULONG show) {
    STARTUPINFOEXA startup = {.StartupInfo = {.cb = sizeof(STARTUPINFOA), .dwFlags = 1, .wShowWindow = (USHORT)show}};
    PROCESS_INFORMATION made;
    char *copy = BasepAllocate(strlen(line) + 1);
    if (!copy) return 0;
    memmove(copy, line, strlen(line) + 1);
    BOOL result = CreateProcessA(NULL, copy, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &made);
    BasepFree(copy);
    if (!result) return RtlGetLastWin32Error() < 32 ? RtlGetLastWin32Error() : ERROR_FILE_NOT_FOUND;
    NtClose(made.hProcess);
    NtClose(made.hThread);
    return 33;
}
