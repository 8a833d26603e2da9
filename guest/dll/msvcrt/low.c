/* File descriptors: the three standard handles. There is no file system: nothing else can be opened.
 *
 * A descriptor is in text mode at first: "\n" is written as "\r\n", "\r\n" read as "\n", and Ctrl-Z ends the input.
 */
#include "crt.h"

#define O_TEXT 0x4000
#define O_BINARY 0x8000
#define CTRL_Z 0x1a
#define NONE (-1)

static struct {
    HANDLE handle;
    char open, binary, ended;
    int kept; /* a byte read too much, or NONE */
} files[3];

int _fmode;

void crt_low_begin(void) {
    char *parameters = process_parameters();
    for (int i = 0; i < 3; i++) {
        files[i].handle = FIELD(HANDLE, parameters, 0x20 + 8 * i);
        files[i].open = files[i].handle && files[i].handle != (HANDLE)-1;
        files[i].kept = NONE;
    }
}

int crt_fd_open(int fd) { return fd >= 0 && fd < 3 && files[fd].open; }

/* Whether the descriptor is good; EBADF. */
static int good(int fd) {
    if (crt_fd_open(fd)) return 1;
    errno = EBADF;
    return 0;
}

static int failed(NTSTATUS status) {
    errno = status == STATUS_INVALID_HANDLE || status == STATUS_ACCESS_DENIED ? EBADF : EINVAL;
    return -1;
}

static int write_raw(int fd, const char *bytes, unsigned count) {
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
    return status ? failed(status) : (int)io.information;
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

/* The standard handles are the console: a character device. */
int _isatty(int fd) { return good(fd) ? 0x40 : 0; }

intptr_t _get_osfhandle(int fd) { return good(fd) ? (intptr_t)files[fd].handle : -1; }

/* What needs a file system, or a device that can seek, fails. */
static int no_file(void) {
    errno = ENOENT;
    return -1;
}
static int no_seek(int fd) {
    if (good(fd)) errno = ESPIPE;
    return -1;
}
int _open(const char *path, int flags, ...) { return (void)path, (void)flags, no_file(); }
int _wopen(const wchar_t *path, int flags, ...) { return (void)path, (void)flags, no_file(); }
int _access(const char *path, int mode) { return (void)path, (void)mode, no_file(); }
int _waccess(const wchar_t *path, int mode) { return (void)path, (void)mode, no_file(); }
int _unlink(const char *path) { return (void)path, no_file(); }
int rename(const char *from, const char *to) { return (void)from, (void)to, no_file(); }
int _mkdir(const char *path) { return (void)path, no_file(); }
int _rmdir(const char *path) { return (void)path, no_file(); }
int _chdir(const char *path) { return (void)path, no_file(); }
int _stat64(const char *path, void *result) { return (void)path, (void)result, no_file(); }
int _lseek(int fd, int offset, int origin) { return (void)offset, (void)origin, no_seek(fd); }
int64_t _lseeki64(int fd, int64_t offset, int origin) { return (void)offset, (void)origin, no_seek(fd); }
int64_t _filelengthi64(int fd) { return no_seek(fd); }
int _filelength(int fd) { return no_seek(fd); }

/* `struct _stat64`: of a console only the mode, S_IFCHR, and the one link are known. */
int _fstat64(int fd, void *result) {
    if (!good(fd)) return -1;
    memset(result, 0, 56);
    FIELD(unsigned, result, 0) = FIELD(unsigned, result, 16) = (unsigned)fd;
    FIELD(unsigned short, result, 6) = 0x2000;
    FIELD(short, result, 8) = 1;
    return 0;
}

/* `system(NULL)` asks whether there is a command interpreter: there is none. */
int system(const char *command) { return command ? no_file() : 0; }
