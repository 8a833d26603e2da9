/* Loading and freeing modules, and the folders that they are looked for in. */
#include "files.h"
#include "ldr.h"

#define DONT_RESOLVE_DLL_REFERENCES 0x1
#define LOAD_LIBRARY_AS_DATAFILE 0x2
#define LOAD_WITH_ALTERED_SEARCH_PATH 0x8
#define LOAD_LIBRARY_AS_IMAGE_RESOURCE 0x20
#define LOAD_LIBRARY_AS_DATAFILE_EXCLUSIVE 0x40
#define LOAD_LIBRARY_REQUIRE_SIGNED_TARGET 0x80
#define LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR 0x100
#define SEARCHES 0x1f00
/* Those and LOAD_IGNORE_CODE_AUTHZ_LEVEL, LOAD_LIBRARY_SAFE_CURRENT_DIRS, LOAD_LIBRARY_SEARCH_SYSTEM32_NO_FORWARDER. */
#define KNOWN_FLAGS 0x7ffb
#define BAD_EXE_FORMAT 193
#define AS_DATA (LOAD_LIBRARY_AS_DATAFILE | LOAD_LIBRARY_AS_DATAFILE_EXCLUSIVE | LOAD_LIBRARY_AS_IMAGE_RESOURCE)
#define SEC_IMAGE 0x1000000
#define SEC_COMMIT 0x8000000

ULONG NTAPI SearchPathW(const WCHAR *, const WCHAR *, const WCHAR *, ULONG, WCHAR *, WCHAR **);

/* Maps a file for its resources: the handle is the base and 1 (as data), or 2 (as an image). */
static PVOID BasepLoadAsData(const WCHAR *name, ULONG flags) {
    WCHAR path[MAX_PATH + 1];
    HANDLE file, section;
    PVOID base = NULL;
    SIZE_T size = 0;
    ULONG length = SearchPathW(NULL, name, L".dll", MAX_PATH + 1, path, NULL);
    if (!length || length > MAX_PATH) return BasepNone(length ? ERROR_FILENAME_EXCED_RANGE : ERROR_FILE_NOT_FOUND);
    BOOL image = !!(flags & LOAD_LIBRARY_AS_IMAGE_RESOURCE);
    ULONG share = flags & LOAD_LIBRARY_AS_DATAFILE_EXCLUSIVE ? 1 : 5;
    file = CreateFileW(path, GENERIC_READ, share, NULL, 3, 0, NULL);
    if (file == INVALID_HANDLE_VALUE) return NULL;
    NTSTATUS status = NtCreateSection(&section, 5, NULL, NULL, 2, image ? SEC_IMAGE : SEC_COMMIT, file);
    NtClose(file);
    if (status >= 0) {
        status = NtMapViewOfSection(section, NtCurrentProcess(), &base, 0, 0, NULL, &size, 1, 0, 2);
        NtClose(section);
    }
    if (!BasepStatus(status)) return NULL;
    if (!image && !RtlImageNtHeader(base)) {
        NtUnmapViewOfSection(NtCurrentProcess(), base);
        return BasepNone(BAD_EXE_FORMAT);
    }
    return (char *)base + (image ? 2 : 1);
}

/* `LoadLibraryExW`. */
PVOID NTAPI LoadLibraryExW(const WCHAR *name, HANDLE file, ULONG flags) {
    UNICODE_STRING string;
    PVOID base;
    ULONG characteristics = flags & DONT_RESOLVE_DLL_REFERENCES ? 2 : 0;
    if (!name || file || flags & ~KNOWN_FLAGS) return BasepNone(ERROR_INVALID_PARAMETER);
    /* One order or the other. */
    if (flags & LOAD_WITH_ALTERED_SEARCH_PATH && flags & SEARCHES) return BasepNone(ERROR_INVALID_PARAMETER);
    /* Signatures are not looked at here: what asks for one is refused. */
    if (flags & LOAD_LIBRARY_REQUIRE_SIGNED_TARGET) return BasepNone(ERROR_NOT_SUPPORTED);
    size_t length = wcslen(name);
    while (length && name[length - 1] == ' ') length--;
    if (!length) return BasepNone(ERROR_INVALID_PARAMETER);
    if (length > 0x7fff) return BasepNone(ERROR_FILENAME_EXCED_RANGE);
    if (flags & LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR) {
        ULONG type = RtlDetermineDosPathNameType_U(name);
        if (type != 1 && type != 2 && type != 6) return BasepNone(ERROR_INVALID_PARAMETER);
    }
    string = (UNICODE_STRING){(USHORT)(length * 2), (USHORT)(length * 2), (WCHAR *)name};
    if (flags & AS_DATA) {
        if (LdrGetDllHandle(NULL, NULL, &string, &base) >= 0 && LdrAddRefDll(0, base) >= 0) return base;
        return BasepLoadAsData(name, flags);
    }
    /* An odd search path is flags. */
    const WCHAR *path = (const WCHAR *)(ULONG_PTR)((flags & (SEARCHES | LOAD_WITH_ALTERED_SEARCH_PATH)) | 1);
    return BasepStatus(LdrLoadDll(path, &characteristics, &string, &base)) ? base : NULL;
}

/* `LoadLibraryExA`. */
PVOID NTAPI LoadLibraryExA(const char *name, HANDLE file, ULONG flags) {
    if (!name) return BasepNone(ERROR_INVALID_PARAMETER);
    WCHAR *wide = BasepWiden(name);
    if (!wide) return NULL;
    PVOID base = LoadLibraryExW(wide, file, flags);
    ULONG error = RtlGetLastWin32Error();
    BasepFree(wide);
    RtlSetLastWin32Error(error);
    return base;
}

/* `LoadLibraryW`, `LoadLibraryA`. */
PVOID NTAPI LoadLibraryW(const WCHAR *name) { return LoadLibraryExW(name, NULL, 0); }
PVOID NTAPI LoadLibraryA(const char *name) { return LoadLibraryExA(name, NULL, 0); }

/* `FreeLibrary`. */
BOOL NTAPI FreeLibrary(PVOID module) {
    if ((ULONG_PTR)module & 3)
        return BasepStatus(NtUnmapViewOfSection(NtCurrentProcess(), (PVOID)((ULONG_PTR)module & ~(ULONG_PTR)3)));
    return BasepStatus(LdrUnloadDll(module));
}

/* `FreeLibraryAndExitThread`. */
void NTAPI FreeLibraryAndExitThread(PVOID module, ULONG code) {
    FreeLibrary(module);
    RtlExitUserThread((NTSTATUS)code);
}

/* `SetDllDirectoryW`. */
BOOL NTAPI SetDllDirectoryW(const WCHAR *folder) {
    UNICODE_STRING string;
    RtlInitUnicodeString(&string, folder);
    return BasepStatus(LdrSetDllDirectory(folder ? &string : NULL));
}

/* `SetDllDirectoryA`. */
BOOL NTAPI SetDllDirectoryA(const char *folder) {
    WCHAR wide[LONGEST_NAME + 1];
    if (!BasepWideName(folder, wide)) return FALSE;
    return SetDllDirectoryW(folder ? wide : NULL);
}

/* `GetDllDirectoryW`: its length, or how much room with the zero it takes. */
ULONG NTAPI GetDllDirectoryW(ULONG room, WCHAR *to) {
    UNICODE_STRING string = {0, (USHORT)(to ? room * 2 : 0), to};
    LdrGetDllDirectory(&string);
    return string.Length / 2;
}

/* `AddDllDirectory`, `RemoveDllDirectory`, `SetDefaultDllDirectories`. */
PVOID NTAPI AddDllDirectory(const WCHAR *folder) {
    UNICODE_STRING string;
    PVOID cookie;
    RtlInitUnicodeString(&string, folder);
    return BasepStatus(LdrAddDllDirectory(&string, &cookie)) ? cookie : NULL;
}
BOOL NTAPI RemoveDllDirectory(PVOID cookie) { return BasepStatus(LdrRemoveDllDirectory(cookie)); }
BOOL NTAPI SetDefaultDllDirectories(ULONG flags) { return BasepStatus(LdrSetDefaultDllDirectories(flags)); }

/* Whether a file is there; its full path then, as `GetFullPathNameW`. */
static ULONG BasepFound(const WCHAR *path, ULONG room, WCHAR *to, WCHAR **part) {
    ULONG NTAPI GetFullPathNameW(const WCHAR *, ULONG, WCHAR *, WCHAR **);
    HANDLE file;
    if (BasepOpenPath(path, FILE_READ_ATTRIBUTES, 0, &file) < 0) return 0;
    NtClose(file);
    return GetFullPathNameW(path, room, to, part);
}

/* `SearchPathW`: a file in the folders of a list, or where programs and DLLs are looked for. */
ULONG NTAPI SearchPathW(const WCHAR *list, const WCHAR *name, const WCHAR *extension, ULONG room, WCHAR *to, WCHAR **part) {
    const UNICODE_STRING *program = &NtCurrentPeb()->ProcessParameters->ImagePathName;
    const WCHAR *variable = BasepVariable("PATH");
    if (!name || !*name) return (ULONG)BasepFail(ERROR_INVALID_PARAMETER);
    ULONG count = (ULONG)wcslen(name), own = program->Length / 2, result = 0;
    BOOL dot = FALSE;
    for (ULONG i = 0; i < count; i++) dot = name[i] == '.' || (dot && name[i] != '\\' && name[i] != '/');
    ULONG more = extension && !dot ? (ULONG)wcslen(extension) : 0;
    while (own && program->Buffer[own - 1] != '\\') own--;
    SIZE_T size = own + count + more + 64 + (list ? wcslen(list) : 0) + (variable ? wcslen(variable) : 0);
    WCHAR *folders = BasepAllocate(size * 2), *path = BasepAllocate(2 * size + 600), *at = folders;
    if (folders && path) {
        ULONG type = RtlDetermineDosPathNameType_U(name);
        if (type != 5) {
            folders[0] = 0;
            memmove(path, name, count * 2);
            memmove(path + count, more ? extension : L"", more * 2);
            path[count + more] = 0;
            result = BasepFound(path, room, to, part);
        } else if (list) {
            memmove(folders, list, (wcslen(list) + 1) * 2);
        } else {
            memmove(at, program->Buffer, own * 2);
            at[own] = 0;
            wcscat(folders, L";.;C:\\Windows\\system32;C:\\Windows\\system;C:\\Windows;");
            if (variable) wcscat(folders, variable);
        }
        while (!result && *at) {
            ULONG length = 0;
            while (at[length] && at[length] != ';') length++;
            if (length) {
                memmove(path, at, length * 2);
                ULONG end = length;
                if (path[end - 1] != '\\') path[end++] = '\\';
                memmove(path + end, name, count * 2);
                memmove(path + end + count, more ? extension : L"", more * 2);
                path[end + count + more] = 0;
                result = BasepFound(path, room, to, part);
            }
            at += length + (at[length] == ';');
        }
    }
    if (folders) BasepFree(folders);
    if (path) BasepFree(path);
    return result ? result : (ULONG)BasepFail(ERROR_FILE_NOT_FOUND);
}

/* `SearchPathA`. */
ULONG NTAPI SearchPathA(const char *list, const char *name, const char *extension, ULONG room, char *to, char **part) {
    WCHAR full[MAX_PATH + 1], *folders = list ? BasepWidenLong(list) : NULL, *wide = BasepWiden(name);
    WCHAR *more = extension ? BasepWiden(extension) : NULL;
    ULONG length = wide ? SearchPathW(folders, wide, more, MAX_PATH + 1, full, NULL) : 0;
    if (part) *part = NULL;
    if (length && length <= MAX_PATH) {
        length = BasepNarrow(full, length, to, room);
        for (char *c = to; part && length < room && *c; c++)
            if (*c == '\\') *part = c + 1;
    }
    if (folders) BasepFree(folders);
    if (wide) BasepFree(wide);
    if (more) BasepFree(more);
    return length;
}
