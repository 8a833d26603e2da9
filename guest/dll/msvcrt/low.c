/* File descriptors.
 *
 * A descriptor is in text mode at first, unless it is opened otherwise: "\n" is written as "\r\n", "\r\n" read as "\n", and
 * Ctrl-Z ends the input.
 */
#include "crt.h"

#define CTRL_Z 0x1a
#define NONE (-1)
#define DESCRIPTORS 512

static struct {
    HANDLE handle;
    char open, binary, ended, append, device;
    int kept; /* a byte read too much, or NONE */
} files[DESCRIPTORS];

int _fmode;
static int crt_mask;

void crt_low_begin(void) {
    char *parameters = process_parameters();
    for (int i = 0; i < 3; i++) {
        files[i].handle = (&FIELD(HANDLE, parameters, STANDARD_INPUT))[i];
        files[i].open = files[i].handle && files[i].handle != (HANDLE)-1;
        files[i].device = 1;
        files[i].kept = NONE;
    }
}

int crt_fd_open(int fd) { return fd >= 0 && fd < DESCRIPTORS && files[fd].open; }

/* Whether the descriptor is good; EBADF. */
static int good(int fd) {
    if (crt_fd_open(fd)) return 1;
    errno = EBADF;
    return 0;
}

/* errno of a Win32 error. */
static int number_of(unsigned error) {
    switch (error) {
    case 2: case 3: case 15: case 18: case 53: case 67: case 123: case 161: case 206: return ENOENT;
    case 4: return EMFILE;
    case 5: case 16: case 19: case 32: case 33: case 36: case 65: case 82: case 83: case 108: case 158: case 167: return EACCES;
    case 6: case 114: case 130: return EBADF;
    case 8: case 14: return ENOMEM;
    case 17: return EXDEV;
    case 80: case 183: return EEXIST;
    case 109: case 232: return EPIPE;
    case 112: return ENOSPC;
    case 145: return ENOTEMPTY;
    default: return EINVAL;
    }
}

extern unsigned *__doserrno(void);
/* -1, with errno and _doserrno of the last error. */
int crt_failed(void) {
    unsigned error = GetLastError();
    *__doserrno() = error;
    errno = number_of(error);
    return -1;
}

static int failed(NTSTATUS status) {
    if (status == STATUS_INVALID_HANDLE || status == STATUS_ACCESS_DENIED) errno = EBADF;
    else errno = number_of(RtlNtStatusToDosError(status));
    return -1;
}

static int write_raw(int fd, const char *bytes, unsigned count) {
    if (files[fd].append) SetFilePointerEx(files[fd].handle, 0, NULL, 2);
    while (count) {
        IoStatus io = {.information = 0};
        NTSTATUS status = NtWriteFile(files[fd].handle, NULL, NULL, NULL, &io, bytes, count, NULL, NULL);
        if (status) return failed(status);
        if (!io.information) {
            errno = ENOSPC;
            return -1;
        }
        bytes += io.information;
        count -= (unsigned)io.information;
    }
    return 0;
}

int _write(int fd, const void *data, unsigned count) {
    if (!good(fd)) return -1;
    const char *bytes = data;
    if (files[fd].binary) return write_raw(fd, bytes, count) ? -1 : (int)count;
    char buffer[2048];
    unsigned used = 0;
    for (unsigned i = 0; i < count; i++) {
        if (bytes[i] == '\n') buffer[used++] = '\r';
        buffer[used++] = bytes[i];
        if (used >= sizeof buffer - 1 || i + 1 == count) {
            if (write_raw(fd, buffer, used)) return -1;
            used = 0;
        }
    }
    return (int)count;
}

/* Bytes as they come; 0 at the end. */
static int read_raw(int fd, char *bytes, unsigned count) {
    IoStatus io = {.information = 0};
    NTSTATUS status = NtReadFile(files[fd].handle, NULL, NULL, NULL, &io, bytes, count, NULL, NULL);
    if (status == STATUS_END_OF_FILE || status == STATUS_PIPE_BROKEN) return 0;
    return status < 0 && (unsigned)status >> 30 == 3 ? failed(status) : (int)io.information;
}

int _read(int fd, void *data, unsigned count) {
    if (!good(fd)) return -1;
    char *bytes = data;
    if (!count || (files[fd].ended && !files[fd].binary)) return 0;
    int got = 0;
    if (files[fd].kept != NONE) {
        bytes[got++] = (char)files[fd].kept;
        files[fd].kept = NONE;
    } else {
        got = read_raw(fd, bytes, count);
        if (got <= 0) return got;
    }
    if (files[fd].binary) return got;
    int used = 0;
    for (int i = 0; i < got; i++) {
        if (bytes[i] == CTRL_Z) {
            files[fd].ended = 1;
            break;
        }
        if (bytes[i] == '\r') {
            char next = 0;
            if (i + 1 < got) {
                if (bytes[i + 1] == '\n') continue;
            } else if (read_raw(fd, &next, 1) == 1) {
                if (next == '\n') {
                    bytes[used++] = '\n';
                    continue;
                }
                files[fd].kept = (unsigned char)next;
            }
        }
        bytes[used++] = bytes[i];
    }
    return used;
}

int _close(int fd) {
    if (!good(fd)) return -1;
    files[fd].open = 0;
    NtClose(files[fd].handle);
    return 0;
}

int _setmode(int fd, int mode) {
    if (!good(fd)) return -1;
    if (mode != O_TEXT && mode != O_BINARY) {
        errno = EINVAL;
        return -1;
    }
    int before = files[fd].binary ? O_BINARY : O_TEXT;
    files[fd].binary = mode == O_BINARY;
    return before;
}

int crt_is_text(int fd) { return !files[fd].binary; }
int _isatty(int fd) { return good(fd) && files[fd].device ? 0x40 : 0; }
intptr_t _get_osfhandle(int fd) { return good(fd) ? (intptr_t)files[fd].handle : -1; }

/* The lowest free descriptor for a handle; -1 and EMFILE. */
static int take(HANDLE handle, int flags) {
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        if (files[fd].open) continue;
        files[fd].handle = handle;
        files[fd].append = (flags & O_APPEND) != 0;
        files[fd].binary = flags & O_TEXT ? 0 : (flags | _fmode) & O_BINARY ? 1 : 0;
        files[fd].ended = 0;
        files[fd].device = GetFileType(handle) == 2;
        files[fd].kept = NONE;
        files[fd].open = 1;
        return fd;
    }
    errno = EMFILE;
    return -1;
}

int _open_osfhandle(intptr_t handle, int flags) { return take((HANDLE)handle, flags); }

/* Opens a file as `_open` does; `share` is what others may do (FILE_SHARE_*). */
static int open_wide(const wchar_t *path, int flags, int share, int mode) {
    static const unsigned access[] = {0x80000000u, 0x40000000u, 0xc0000000u, 0};
    /* By O_EXCL, O_TRUNC and O_CREAT: CREATE_NEW, CREATE_ALWAYS, OPEN_EXISTING, OPEN_ALWAYS, TRUNCATE_EXISTING. */
    unsigned creation = !(flags & O_CREAT) ? (flags & O_TRUNC ? 5 : 3) : flags & O_EXCL ? 1 : flags & O_TRUNC ? 2 : 4;
    unsigned attributes = flags & O_CREAT && !(mode & ~crt_mask & 0x80) ? 1 : 0x80;
    if ((flags & 3) == 3 || !path) {
        errno = EINVAL;
        return -1;
    }
    unsigned wanted = access[flags & 3];
    if (flags & O_TEMPORARY) attributes |= 0x04000000, wanted |= 0x10000, share |= 4;
    if (flags & 0x1000) attributes |= 0x100;
    if (flags & 0x20) attributes |= 0x08000000;
    if (flags & 0x10) attributes |= 0x10000000;
    if (flags & O_TRUNC && !(flags & 3)) {
        errno = EINVAL;
        return -1;
    }
    struct { unsigned length; void *descriptor; int inherit; } security = {sizeof security, NULL, !(flags & O_NOINHERIT)};
    HANDLE handle = CreateFileW(path, wanted, (unsigned)share, &security, creation, attributes, NULL);
    if (handle == (HANDLE)-1) return crt_failed();
    int fd = take(handle, flags);
    if (fd < 0) NtClose(handle);
    return fd;
}

int crt_open(const wchar_t *path, int flags, int mode) { return open_wide(path, flags, 3, mode); }

/* The wide form of a narrow path, to be freed; NULL and ENOMEM. */
wchar_t *crt_wide(const char *text) {
    int length = MultiByteToWideChar(0, 0, text ? text : "", -1, NULL, 0);
    wchar_t *wide = malloc(sizeof *wide * (size_t)(length + 1));
    if (wide) MultiByteToWideChar(0, 0, text ? text : "", -1, wide, length);
    return wide;
}
/* A function of a path in both forms. */
#define BOTH(name, parameters, call) \
    int name parameters { \
        wchar_t *wide = crt_wide(path); \
        if (!wide) return -1; \
        int result = call; \
        int number = errno; \
        free(wide); \
        if (result < 0) errno = number; \
        return result; \
    }

int _wopen(const wchar_t *path, int flags, ...) {
    va_list values;
    va_start(values, flags);
    int mode = flags & O_CREAT ? va_arg(values, int) : 0;
    va_end(values);
    return crt_open(path, flags, mode);
}
int _open(const char *path, int flags, ...) {
    va_list values;
    va_start(values, flags);
    int mode = flags & O_CREAT ? va_arg(values, int) : 0;
    va_end(values);
    wchar_t *wide = crt_wide(path);
    if (!wide) return -1;
    int fd = crt_open(wide, flags, mode);
    free(wide);
    return fd;
}
/* `_SH_DENYRW`, `_SH_DENYWR`, `_SH_DENYRD`, `_SH_DENYNO`, `_SH_COMPAT` as FILE_SHARE_*. */
static int sharing(int deny) { return deny == 0x10 ? 0 : deny == 0x20 ? 1 : deny == 0x30 ? 2 : 3; }
int _wsopen(const wchar_t *path, int flags, int deny, ...) {
    va_list values;
    va_start(values, deny);
    int mode = flags & O_CREAT ? va_arg(values, int) : 0;
    va_end(values);
    return open_wide(path, flags, sharing(deny), mode);
}
int _sopen(const char *path, int flags, int deny, ...) {
    va_list values;
    va_start(values, deny);
    int mode = flags & O_CREAT ? va_arg(values, int) : 0;
    va_end(values);
    wchar_t *wide = crt_wide(path);
    if (!wide) return -1;
    int fd = open_wide(wide, flags, sharing(deny), mode);
    free(wide);
    return fd;
}
BOTH(_creat, (const char *path, int mode), crt_open(wide, O_CREAT | O_TRUNC | 2, mode))
int _umask(int mask) {
    int before = crt_mask;
    crt_mask = mask & 0x180;
    return before;
}

int64_t _lseeki64(int fd, int64_t offset, int origin) {
    int64_t now;
    if (!good(fd)) return -1;
    if (files[fd].device || origin < 0 || origin > 2) {
        errno = files[fd].device ? ESPIPE : EINVAL;
        return -1;
    }
    /* A byte that was read too much is not behind yet. */
    if (files[fd].kept != NONE && origin == 1) offset--;
    files[fd].kept = NONE;
    files[fd].ended = 0;
    return SetFilePointerEx(files[fd].handle, offset, &now, (unsigned)origin) ? now : crt_failed();
}
int _lseek(int fd, int offset, int origin) { return (int)_lseeki64(fd, offset, origin); }
int64_t _telli64(int fd) { return _lseeki64(fd, 0, 1); }
int _tell(int fd) { return (int)_telli64(fd); }
int64_t _filelengthi64(int fd) {
    int64_t size;
    if (!good(fd)) return -1;
    return GetFileSizeEx(files[fd].handle, &size) ? size : crt_failed();
}
int _filelength(int fd) { return (int)_filelengthi64(fd); }
int _eof(int fd) {
    int64_t here = _lseeki64(fd, 0, 1);
    return here < 0 ? -1 : here >= _filelengthi64(fd);
}
static int resize(int fd, int64_t size) {
    int64_t here = _lseeki64(fd, 0, 1);
    if (here < 0 || _lseeki64(fd, size, 0) < 0) return -1;
    int done = SetEndOfFile(files[fd].handle);
    if (!done) crt_failed();
    _lseeki64(fd, here, 0);
    return done ? 0 : -1;
}
int _chsize(int fd, int size) { return resize(fd, size); }
#ifdef UCRT
int _chsize_s(int fd, int64_t size) { return resize(fd, size) < 0 ? errno : 0; }
#endif
int _commit(int fd) {
    if (!good(fd)) return -1;
    return FlushFileBuffers(files[fd].handle) ? 0 : crt_failed();
}
/* `_pipe`: what is written to the second is read from the first. */
int _pipe(int *ends, unsigned size, int flags) {
    HANDLE reader, writer;
    if (!CreatePipe(&reader, &writer, NULL, size)) return crt_failed();
    ends[0] = take(reader, flags);
    ends[1] = ends[0] < 0 ? -1 : take(writer, flags);
    if (ends[1] >= 0) return 0;
    if (ends[0] >= 0) _close(ends[0]);
    else NtClose(reader);
    NtClose(writer);
    return -1;
}

static HANDLE copy_of(int fd) {
    HANDLE copy;
    if (!DuplicateHandle((HANDLE)-1, files[fd].handle, (HANDLE)-1, &copy, 0, 1, 2)) {
        crt_failed();
        return NULL;
    }
    return copy;
}
int _dup(int fd) {
    HANDLE copy = good(fd) ? copy_of(fd) : NULL;
    if (!copy) return -1;
    int flags = (files[fd].append ? O_APPEND : 0) | (files[fd].binary ? O_BINARY : O_TEXT), made = take(copy, flags);
    if (made < 0) NtClose(copy);
    return made;
}
int _dup2(int fd, int to) {
    if (!good(fd)) return -1;
    if (to < 0 || to >= DESCRIPTORS) {
        errno = EBADF;
        return -1;
    }
    if (fd == to) return 0;
    HANDLE copy = copy_of(fd);
    if (!copy) return -1;
    if (files[to].open) NtClose(files[to].handle);
    files[to] = files[fd];
    files[to].handle = copy;
    return 0;
}
