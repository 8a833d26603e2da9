/* Files and directories by name. */
#include "crt.h"

#define BOTH(name, parameters, call) \
    int name parameters { \
        wchar_t *wide = crt_wide(path); \
        if (!wide) return -1; \
        int result = call; \
        free(wide); \
        return result; \
    }

int _wunlink(const wchar_t *path) { return DeleteFileW(path) ? 0 : crt_failed(); }
BOTH(_unlink, (const char *path), _wunlink(wide))
int _wmkdir(const wchar_t *path) { return CreateDirectoryW(path, NULL) ? 0 : crt_failed(); }
BOTH(_mkdir, (const char *path), _wmkdir(wide))
int _wrmdir(const wchar_t *path) { return RemoveDirectoryW(path) ? 0 : crt_failed(); }
BOTH(_rmdir, (const char *path), _wrmdir(wide))
int _wchdir(const wchar_t *path) { return SetCurrentDirectoryW(path) ? 0 : crt_failed(); }
BOTH(_chdir, (const char *path), _wchdir(wide))

int _wrename(const wchar_t *from, const wchar_t *to) { return MoveFileExW(from, to, 2) ? 0 : crt_failed(); }
int rename(const char *from, const char *to) {
    wchar_t *wide = crt_wide(from), *wide_to = wide ? crt_wide(to) : NULL;
    int result = wide_to ? _wrename(wide, wide_to) : -1;
    free(wide_to);
    free(wide);
    return result;
}

/* 2 asks whether the file can be written, 4 whether it can be read, which it can if it is there. */
int _waccess(const wchar_t *path, int mode) {
    unsigned attributes = GetFileAttributesW(path);
    if (attributes == 0xffffffffu) return crt_failed();
    if (mode & 2 && attributes & 1 && !(attributes & 0x10)) {
        errno = EACCES;
        return -1;
    }
    return 0;
}
BOTH(_access, (const char *path, int mode), _waccess(wide, mode))

int _wchmod(const wchar_t *path, int mode) {
    unsigned attributes = GetFileAttributesW(path);
    if (attributes == 0xffffffffu) return crt_failed();
    attributes = mode & 0x80 ? attributes & ~1u : attributes | 1;
    return SetFileAttributesW(path, attributes) ? 0 : crt_failed();
}
BOTH(_chmod, (const char *path, int mode), _wchmod(wide, mode))

/* The current directory in memory of the caller's or, with NULL, of its own. */
char *_getcwd(char *to, int room) {
    unsigned size = GetCurrentDirectoryA(0, NULL);
    if (to && (unsigned)room < size) {
        errno = ERANGE;
        return NULL;
    }
    if (!to) to = malloc(room > (int)size ? (size_t)room : size);
    if (to) GetCurrentDirectoryA(size, to);
    return to;
}
wchar_t *_wgetcwd(wchar_t *to, int room) {
    unsigned size = GetCurrentDirectoryW(0, NULL);
    if (to && (unsigned)room < size) {
        errno = ERANGE;
        return NULL;
    }
    if (!to) to = malloc(sizeof *to * (room > (int)size ? (size_t)room : size));
    if (to) GetCurrentDirectoryW(size, to);
    return to;
}
char *_fullpath(char *to, const char *path, size_t room) {
    char *own = to ? to : malloc(room = 260);
    if (!own) return NULL;
    unsigned size = GetFullPathNameA(path && *path ? path : ".", (unsigned)room, own, NULL);
    if (size && size < room) return own;
    if (!to) free(own);
    errno = ERANGE;
    return NULL;
}

/* What is known of a file, before it is put into one of the structures. */
typedef struct {
    int64_t size, accessed, written, created;
    unsigned device;
    unsigned short mode;
} Facts;

/* Seconds since 1970 of 100 ns units since 1601. */
static int64_t seconds(const unsigned *time) {
    int64_t value = (int64_t)((uint64_t)time[1] << 32 | time[0]);
    return (value - 116444736000000000ll) / 10000000;
}

static unsigned short mode_of(unsigned attributes, const wchar_t *path) {
    unsigned mode = attributes & 0x10 ? 0x4000 | 0x49 : 0x8000;
    mode |= attributes & 1 ? 0x124 : 0x1b6;
    size_t length = path ? wcslen(path) : 0;
    if (length > 4 && path[length - 4] == '.') {
        unsigned ending = 0;
        for (int i = 3; i; i--) ending = ending << 8 | ((unsigned)path[length - (size_t)i] | 0x20);
        /* exe, cmd, bat, com can be run. */
        if (ending == 0x657865 || ending == 0x636d64 || ending == 0x626174 || ending == 0x636f6d) mode |= 0x49;
    }
    return (unsigned short)mode;
}

/* WIN32_FILE_ATTRIBUTE_DATA: attributes, three times, size. */
static int facts_of(const wchar_t *path, Facts *to) {
    unsigned data[9];
    if (!GetFileAttributesExW(path, 0, data)) return crt_failed();
    *to = (Facts){(int64_t)((uint64_t)data[7] << 32 | data[8]), seconds(data + 3), seconds(data + 5), seconds(data + 1), 0, mode_of(data[0], path)};
    unsigned letter = path[0] && path[1] == ':' ? ((unsigned)path[0] | 0x20) - 'a' : 2;
    to->device = letter < 26 ? letter : 2;
    return 0;
}

/* BY_HANDLE_FILE_INFORMATION: attributes, three times, serial number, size, links, index. */
static int facts_of_fd(int fd, Facts *to) {
    unsigned data[13];
    if (!crt_fd_open(fd)) {
        errno = EBADF;
        return -1;
    }
    HANDLE handle = (HANDLE)_get_osfhandle(fd);
    unsigned kind = GetFileType(handle);
    *to = (Facts){0, 0, 0, 0, (unsigned)fd, 0};
    if (kind != 1) {
        to->mode = kind == 3 ? 0x1000 : 0x2000;
        return 0;
    }
    if (!GetFileInformationByHandle(handle, data)) return crt_failed();
    *to = (Facts){(int64_t)((uint64_t)data[8] << 32 | data[9]), seconds(data + 3), seconds(data + 5), seconds(data + 1), 0, mode_of(data[0], NULL)};
    return 0;
}

/* All structures begin alike: device, (inode), mode, links, (owner, group), device. */
static void fill(void *to, size_t size, const Facts *facts) {
    memset(to, 0, size);
    FIELD(unsigned, to, 0) = FIELD(unsigned, to, 16) = facts->device;
    FIELD(unsigned short, to, 6) = facts->mode;
    FIELD(short, to, 8) = 1;
}
/* `struct _stat64`. */
static int fill64(void *to, int failed, const Facts *facts) {
    if (failed) return -1;
    fill(to, 56, facts);
    FIELD(int64_t, to, 24) = facts->size;
    FIELD(int64_t, to, 32) = facts->accessed;
    FIELD(int64_t, to, 40) = facts->written;
    FIELD(int64_t, to, 48) = facts->created;
    return 0;
}
/* `struct _stat`: its times have 32 bits in 32-bit code. */
static int fill_own(void *to, int failed, const Facts *facts) {
    if (failed) return -1;
    fill(to, AT(48, 36), facts);
    FIELD(int, to, 20) = (int)facts->size;
    FIELD(intptr_t, to, 24) = (intptr_t)facts->accessed;
    FIELD(intptr_t, to, AT(32, 28)) = (intptr_t)facts->written;
    FIELD(intptr_t, to, AT(40, 32)) = (intptr_t)facts->created;
    return 0;
}
/* `struct _stati64`: the size has 64 bits, times are as wide as pointers. */
static int filli64(void *to, int failed, const Facts *facts) {
    if (failed) return -1;
    fill(to, AT(56, 48), facts);
    FIELD(int64_t, to, 24) = facts->size;
    FIELD(intptr_t, to, 32) = (intptr_t)facts->accessed;
    FIELD(intptr_t, to, AT(40, 36)) = (intptr_t)facts->written;
    FIELD(intptr_t, to, AT(48, 40)) = (intptr_t)facts->created;
    return 0;
}
#define STATS(suffix, filler) \
    int _wstat##suffix(const wchar_t *path, void *to) { \
        Facts facts; \
        return filler(to, facts_of(path, &facts), &facts); \
    } \
    BOTH(_stat##suffix, (const char *path, void *to), _wstat##suffix(wide, to)) \
    int _fstat##suffix(int fd, void *to) { \
        Facts facts; \
        return filler(to, facts_of_fd(fd, &facts), &facts); \
    }
STATS(64, fill64)
STATS(, fill_own)
STATS(i64, filli64)

/* `system(NULL)` asks whether there is a command interpreter: there is none. */
int system(const char *command) {
    if (!command) return 0;
    errno = ENOENT;
    return -1;
}
